/*
 * Nonsense for the registers of a CMDQ-V with one VINTF and two VCMDQs
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 *   cmdqv-nonsense ADDRESS SEED COUNT
 *
 * ADDRESS is where the registers are.  COUNT accesses, most of them writes, go
 * to all pages.  The kernel loses its VCMDQs by this, and is not told.  Then a
 * few things that a driver could get wrong are tried, each of which has to end
 * in an error that it can read.
 */

#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#define SIZE 0x50000
#define PAGE_SIZE 0x10000
#define VINTF_STRIDE 0x100
#define VCMDQ_STRIDE 0x80
#define CONFIG 0x0000
#define VINTF_INT_MASK 0x001c
#define CMDQ_ALLOC 0x0200
#define VINTF_CONFIG 0x1000
#define VCMDQ_PAGE0 0x10000
#define VCMDQ_PAGE1 0x20000
#define LVCMDQ_PAGE0 0x30000
#define LVCMDQ_PAGE1 0x40000
#define Q_CONS 0x00
#define Q_PROD 0x04
#define Q_CONFIG 0x08
#define Q_STATUS 0x0c
#define Q_GERROR 0x10
#define Q_GERRORN 0x14
#define RAM 0x40000000ull
#define NO_RAM 0xf00000000000ull

static char *base;
static uint64_t seed;

static void wr(uint32_t reg, uint32_t value)
{
    __atomic_store_n((uint32_t *)(base + reg), value, __ATOMIC_RELAXED);
}

static void wrq(uint32_t reg, uint64_t value)
{
    __atomic_store_n((uint64_t *)(base + reg), value, __ATOMIC_RELAXED);
}

static uint32_t rd(uint32_t reg)
{
    return __atomic_load_n((uint32_t *)(base + reg), __ATOMIC_RELAXED);
}

static uint32_t rnd(uint32_t n)
{
    seed = seed * 6364136223846793005ull + 1442695040888963407ull;
    return (seed >> 33) % n;
}

/* A register of the configuration page, more often than not a known one */
static uint32_t config_register(void)
{
    switch (rnd(4)) {
    case 0:
        return 8 * rnd(6);
    case 1:
        return CMDQ_ALLOC + 8 * rnd(64);
    case 2:
        return VINTF_CONFIG + VINTF_STRIDE * rnd(rnd(2) ? 1 : 64) + 8 * rnd(32);
    default:
        return 8 * rnd(PAGE_SIZE / 8);
    }
}

/* A register of a page with VCMDQs; two of these are there */
static uint32_t vcmdq_register(void)
{
    static const uint32_t pages[] = {
        VCMDQ_PAGE0, VCMDQ_PAGE1, LVCMDQ_PAGE0, LVCMDQ_PAGE1,
    };

    return pages[rnd(4)] + VCMDQ_STRIDE * rnd(rnd(4) ? 2 : 512) + 8 * rnd(16);
}

/* What makes a queue, more often than chance would */
static void make_queue(uint32_t n, uint64_t where)
{
    uint32_t page0 = LVCMDQ_PAGE0 + VCMDQ_STRIDE * n;

    wr(CONFIG, 1);
    wr(VINTF_CONFIG, 1);
    wr(CMDQ_ALLOC + 4 * rnd(2), 1 | rnd(3) << 1);
    if (rnd(2)) {
        wr(page0 + Q_CONFIG, 0);
        wr(page0 + Q_GERRORN, rd(page0 + Q_GERROR));
    }
    wrq(LVCMDQ_PAGE1 + VCMDQ_STRIDE * n, where);
    wr(page0 + Q_CONFIG, 1);
}

static void nonsense(void)
{
    static const uint64_t values[] = {
        0, ~0ull, 1, 3, 0x101, RAM | 4, RAM | 8, RAM | 19, NO_RAM | 8, 0x20000,
        0x1ffff,
    };
    uint32_t reg = rnd(3) ? vcmdq_register() : config_register();
    uint64_t value = values[rnd(11)];

    switch (rnd(8)) {
    case 0:
    case 1:
        make_queue(rnd(2), rnd(2) ? RAM | 4 : values[rnd(11)]);
        break;
    case 2:
    case 3:
    case 4:
        wrq(reg, value);
        break;
    case 5:
    case 6:
        wr(reg + 4 * rnd(2), value);
        break;
    default:
        rd(reg + 4 * rnd(2));
        break;
    }
    /* the kernel's driver must not acknowledge what it has not caused */
    wr(VINTF_INT_MASK, 1);
}

static void disable(void)
{
    wr(LVCMDQ_PAGE0 + Q_CONFIG, 0);
    wr(LVCMDQ_PAGE0 + VCMDQ_STRIDE + Q_CONFIG, 0);
    wr(CMDQ_ALLOC + 4, 0);
    wr(CMDQ_ALLOC, 0);
    wr(VINTF_CONFIG, 0);
    wr(CONFIG, 0);
}

/* VCMDQ 0 as LVCMDQ 0, without an error, at @where */
static void set_up(uint64_t where)
{
    disable();
    wr(VCMDQ_PAGE0 + Q_GERRORN, rd(VCMDQ_PAGE0 + Q_GERROR));
    wr(VCMDQ_PAGE0 + Q_PROD, 0);
    wr(VCMDQ_PAGE0 + Q_CONS, 0);
    wr(CONFIG, 1);
    wr(VINTF_CONFIG, 1);
    wr(CMDQ_ALLOC, 1);
    wrq(LVCMDQ_PAGE1, where);
    wr(LVCMDQ_PAGE0 + Q_CONFIG, 1);
}

static void has_error(const char *what)
{
    int error = rd(LVCMDQ_PAGE0 + Q_GERROR) != rd(LVCMDQ_PAGE0 + Q_GERRORN);

    printf("error_%s=%s\n", what, error ? "yes" : "no");
}

int main(int argc, char **argv)
{
    int mem = open("/dev/mem", O_RDWR | O_SYNC);
    unsigned count;
    int64_t address;

    if (argc != 4 || sscanf(argv[1], "%" SCNi64, &address) != 1 || mem < 0) {
        fprintf(stderr, "usage: cmdqv-nonsense ADDRESS SEED COUNT, as root\n");
        return 2;
    }
    base = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, mem, address);
    if (base == MAP_FAILED) {
        perror("mmap of /dev/mem");
        return 1;
    }
    seed = atoi(argv[2]);
    count = atoi(argv[3]);
    wr(VINTF_INT_MASK, 1);
    for (unsigned i = 0; i < count; i++) {
        nonsense();
    }

    set_up(NO_RAM | 8);
    wr(LVCMDQ_PAGE0 + Q_PROD, 1);
    has_error("base_beyond_ram");
    set_up(RAM | 31);
    has_error("size_beyond_limit");
    set_up(RAM | 4);
    wr(LVCMDQ_PAGE0 + Q_PROD, 0xffff);
    has_error("prod_beyond_queue");
    set_up(RAM | 4);
    wr(CMDQ_ALLOC, 1 | 1 << 1);
    has_error("reallocate_in_use");
    disable();
    wr(VINTF_CONFIG, 1);
    wr(CONFIG, 1);
    wr(LVCMDQ_PAGE0 + Q_CONFIG, 1);
    printf("nothing_allocated=%u\n", rd(LVCMDQ_PAGE0 + Q_STATUS));
    disable();
    printf("fuzzed=%u\n", count);
    return 0;
}
