/*
 * AMD IOMMU: device table entries and page tables of all kinds
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A device does DMA through tables that the tests write; where it goes, or
 * which event is logged, is compared with the model of amd-iommu-lib.c.
 */

#include "qemu/osdep.h"
#include "amd-iommu-lib.h"

#define RANDOM_TABLES   24
#define RANDOM_ROUNDS   60
#define RANDOM_ACCESSES 6

/*
 * A page of @size bits for @iova, in a table of @level of a domain with @mode
 * levels.  Levels between are skipped where address bits allow, if @skip.
 * Returns the address of the entry, or of the first one if there are several.
 */
static uint64_t map_page(AmdIommuTest *t, uint64_t root, unsigned mode,
                         uint64_t iova, unsigned level, unsigned size,
                         uint64_t pa, uint64_t perm, bool skip)
{
    unsigned shift = 3 + 9 * level;
    uint64_t table = root, pte, first;
    unsigned i;

    for (i = mode; i > level; ) {
        unsigned at = 3 + 9 * i, next = i - 1;
        uint64_t entry = table + ((iova >> at) & 0x1ff) * 8;

        while (skip && next > level &&
               !extract64(iova, 3 + 9 * next, 9)) {
            next--;
        }
        pte = amd_read_mem(t, entry);
        if (!(pte & PTE_PR)) {
            pte = amd_new_table(t) | PTE_PR | PTE_NEXT(next) | PTE_RW;
            amd_write_mem(t, entry, pte);
        }
        table = pte & PTE_ADDR;
        i = extract64(pte, 9, 3);
    }
    pte = (pa & ~MAKE_64BIT_MASK(0, size)) | PTE_PR | perm;
    if (size > shift) {
        pte |= PTE_NEXT(7);
        if (size > 13) {
            pte |= MAKE_64BIT_MASK(12, size - 13);
        }
    }
    first = table + (((iova & ~MAKE_64BIT_MASK(0, size)) >> shift) & 0x1ff) * 8;
    for (i = 0; i < 1U << (size - shift); i++) {
        amd_write_mem(t, first + i * 8, pte);
    }
    return first;
}

/* An address within a page of @size bits that is mapped to @pa */
static uint64_t iova_for(uint64_t base, unsigned size, uint64_t pa)
{
    return (base & ~MAKE_64BIT_MASK(0, size)) |
           (pa & MAKE_64BIT_MASK(0, size));
}

/* Each page size of each level of a mode, default and not, at both ends */
static void test_mode(const void *opaque)
{
    unsigned mode = (uintptr_t)opaque;
    unsigned bits = MIN(64, 12 + 9 * mode);
    unsigned level, size, skip;
    AmdIommuTest t;

    amd_init(&t, "");
    for (level = 1; level <= MIN(mode, 5); level++) {
        for (size = 3 + 9 * level; size < 12 + 9 * level && size <= 52;
             size++) {
            for (skip = 0; skip < 2; skip++) {
                uint64_t pa = DATA + (37 * level + size) * 4 * KiB;
                uint64_t base = skip || size >= bits ? 0 :
                                MAKE_64BIT_MASK(0, bits);
                uint64_t iova = iova_for(base, size, pa + 0x18);
                uint64_t root;

                t.tables = TABLES;
                root = amd_new_table(&t);
                map_page(&t, root, mode, iova, level, size, pa, PTE_RW, skip);
                amd_set_dte(&t, DTE_V | DTE_TV | DTE_MODE(mode) | root |
                                DTE_R | DTE_W, DOMAIN);
                g_assert_true(amd_model(&t, iova, true).allowed);
                amd_check_access(&t, iova);
                /* The neighbour, which is not mapped or is too far */
                amd_check_access(&t, iova + (1ULL << size));
            }
        }
    }
    amd_quit(&t);
}

/* What DTE, PDE and PTE allow; all have to */
static void test_permissions(void)
{
    static const uint64_t perms[] = { 0, PTE_R, PTE_W, PTE_RW };
    const uint64_t iova = 0x40201000, pa = DATA + 0x5000;
    unsigned dte, pde, pte;
    uint64_t root, entry;
    AmdIommuTest t;

    amd_init(&t, "");
    root = amd_new_table(&t);
    entry = map_page(&t, root, 3, iova, 1, 12, pa, PTE_RW, false);
    for (dte = 0; dte < 4; dte++) {
        for (pde = 0; pde < 4; pde++) {
            for (pte = 0; pte < 4; pte++) {
                uint64_t top = root + (iova >> 30) * 8;

                amd_write_mem(&t, top, (amd_read_mem(&t, top) & ~PTE_RW) |
                                       perms[pde]);
                amd_write_mem(&t, entry, pa | PTE_PR | perms[pte]);
                amd_set_dte(&t, DTE_V | DTE_TV | DTE_MODE(3) | root |
                                perms[dte], DOMAIN);
                amd_check_access(&t, iova);
            }
        }
    }
    amd_quit(&t);
}

/* V, TV, mode, reserved bits, with each permission */
static void test_dte(void)
{
    static const uint64_t perms[] = { 0, DTE_R, DTE_W, DTE_R | DTE_W };
    const uint64_t pa = DATA + 0x9000;
    unsigned mode, bit, perm, v;
    AmdIommuTest t;
    uint64_t root;

    amd_init(&t, "");
    root = amd_new_table(&t);
    map_page(&t, root, 1, 0x3000, 1, 12, pa, PTE_RW, false);
    for (v = 0; v < 4; v++) {
        for (mode = 0; mode < 8; mode++) {
            for (perm = 0; perm < 4; perm++) {
                amd_set_dte(&t, v | DTE_MODE(mode) | root | perms[perm],
                            DOMAIN);
                amd_check_access(&t, mode ? 0x3000 : pa);
            }
        }
    }
    for (bit = 0; bit < 64; bit++) {
        if (bit >= 9 && bit < 52) {
            continue;
        }
        amd_set_dte(&t, (DTE_V | DTE_TV | DTE_MODE(1) | root | DTE_R |
                         DTE_W) ^ BIT_ULL(bit), DOMAIN);
        amd_check_access(&t, bit ? 0x3000 : pa);
    }
    amd_quit(&t);
}

/* The guest is told how many levels there are, and may not use more */
static void test_hats(const void *opaque)
{
    unsigned levels = (uintptr_t)opaque, mode;
    g_autofree char *props = g_strdup_printf(",hats=%u", levels);
    uint64_t root;
    AmdIommuTest t;

    amd_init(&t, props);
    t.levels = levels;
    g_assert_cmpuint(extract64(amd_read(&t, REG_EFR), 10, 2), ==, levels - 4);
    root = amd_new_table(&t);
    for (mode = 1; mode < 8; mode++) {
        amd_set_dte(&t, DTE_V | DTE_TV | DTE_MODE(mode) | root | DTE_R | DTE_W,
                    DOMAIN);
        amd_check_access(&t, 0x3000);
    }
    amd_quit(&t);
}

/* Tables that no guest should have: an event each, and no harm */
static void test_bad_tables(void)
{
    static const struct {
        const char *what;
        unsigned mode;
        uint64_t pde;       /* 0: leads back to its own table */
        uint64_t iova;
    } bad[] = {
        { "leads to itself, same level", 4, PTE_NEXT(4), 0 },
        { "leads to itself, upwards", 3, PTE_NEXT(6), 0 },
        { "leads to itself, downwards", 6, PTE_NEXT(5), 0x1000 },
        { "leads to itself, skips", 6, PTE_NEXT(1), 0x1000 },
        { "table outside RAM", 3, PTE_NEXT(2) | OUTSIDE_RAM, 0x1000 },
        { "table at the end of RAM", 3, PTE_NEXT(2) | RAM_SIZE, 0x1000 },
        { "table above all", 3, PTE_NEXT(2) | PTE_ADDR, 0x1000 },
        { "table in MMIO", 3, PTE_NEXT(2) | IOMMU_BASE, 0x1000 },
        { "table in the command registers", 3,
          PTE_NEXT(2) | (IOMMU_BASE + 0x2000), 0x1000 },
        { "reserved bit 52", 3, PTE_NEXT(2) | TABLES | BIT_ULL(52), 0x1000 },
        { "reserved bit 60", 3, PTE_NEXT(2) | TABLES | BIT_ULL(60), 0x1000 },
        { "skip with address bits", 3, PTE_NEXT(1) | TABLES, 0x200000 },
        { "skip without", 3, PTE_NEXT(1) | TABLES, 0x1000 },
        { "page of the topmost level", 6, PTE_NEXT(0) | DATA, 0x1000 },
        { "sized page of the topmost level", 6, PTE_NEXT(7) | PTE_ADDR, 0 },
        { "too small a page", 2, PTE_NEXT(7) | DATA, 0x1000 },
        { "page of the level above", 1,
          PTE_NEXT(7) | DATA | MAKE_64BIT_MASK(12, 8), 0x1000 },
        { "page reserved bit 58", 1, DATA | BIT_ULL(58), 0x0 },
        { "page ignored bits", 1, DATA | BIT_ULL(59) | BIT_ULL(60) |
                                  BIT_ULL(63) | 0x1fe, 0x0 },
        { "page outside RAM", 1, OUTSIDE_RAM, 0x0 },
        { "beyond the mode", 1, DATA, 0x200000 },
        { "far beyond the mode", 5, DATA, 1ULL << 63 },
        { "last page", 6, PTE_NEXT(5) | TABLES, 0xfffffffffffff000ULL },
    };
    AmdIommuTest t;
    unsigned i, j;

    amd_init(&t, "");
    for (i = 0; i < G_N_ELEMENTS(bad); i++) {
        uint64_t root, pde = bad[i].pde | PTE_PR | PTE_RW;

        g_test_message("%s", bad[i].what);
        t.tables = TABLES;
        root = amd_new_table(&t);
        if (strstr(bad[i].what, "itself")) {
            pde |= root;
        }
        for (j = 0; j < 512; j++) {
            amd_write_mem(&t, root + j * 8, pde);
        }
        amd_set_dte(&t, DTE_V | DTE_TV | DTE_MODE(bad[i].mode) | root | DTE_R |
                        DTE_W, DOMAIN);
        amd_check_access(&t, bad[i].iova);
        amd_command(&t, CMD(CMD_INV_PAGES) | (uint64_t)DOMAIN << 32,
                    0x7ffffffffffff001ULL);
        amd_command(&t, CMD(CMD_COMPLETION_WAIT), 0);
        g_assert_cmphex(amd_read(&t, REG_CMD_HEAD), ==, t.cmd_tail);
    }
    amd_quit(&t);
}

static uint64_t random_u64(void)
{
    return (uint64_t)g_test_rand_int() << 32 | (uint32_t)g_test_rand_int();
}

static unsigned random_below(unsigned n)
{
    return g_test_rand_int_range(0, n);
}

/* An entry that means something more often than not */
static uint64_t random_pte(unsigned level)
{
    uint64_t pte = PTE_PR | (random_below(8) ? PTE_RW : random_u64() & PTE_RW);
    unsigned shift = 3 + 9 * level;

    switch (random_below(8)) {
    case 0:
        return pte & ~PTE_PR;
    case 1:
        /* anything, but not in the tables or other data of the test */
        return random_u64() | OUTSIDE_RAM;
    case 2:
    case 3:
        if (level > 1) {
            return pte | PTE_NEXT(1 + random_below(level)) |
                   (TABLES + random_below(RANDOM_TABLES) * 4 * KiB);
        }
        /* fall through */
    case 4:
        return pte | (DATA + (random_u64() & 0x3fff000)) >> shift << shift;
    case 5:
        return pte | PTE_NEXT(7) | MAKE_64BIT_MASK(12, random_below(20) + 1) |
               (DATA & MAKE_64BIT_MASK(24, 20));
    default:
        if (level > 1) {
            return pte | PTE_NEXT(level - 1) |
                   (TABLES + random_below(RANDOM_TABLES) * 4 * KiB);
        }
        return pte | (DATA + (random_u64() & 0x3fff000));
    }
}

/* Only what leads to memory that the test does not use otherwise */
static bool is_harmless(AmdIommuTest *t, uint64_t iova)
{
    Outcome rd = amd_model(t, iova, false), wr = amd_model(t, iova, true);

    return (!rd.allowed || (rd.addr >= DATA && rd.addr < RAM_SIZE)) &&
           (!wr.allowed || (wr.addr >= DATA && wr.addr < RAM_SIZE));
}

/* Tables at random, some of which are entered at several levels */
static void test_random(void)
{
    unsigned round, i, j, allowed = 0;
    AmdIommuTest t;

    amd_init(&t, "");
    for (round = 0; round < RANDOM_ROUNDS; round++) {
        unsigned mode = 1 + random_below(6);

        for (i = 0; i < RANDOM_TABLES; i++) {
            uint64_t entries[512];

            for (j = 0; j < 512; j++) {
                entries[j] = random_pte(1 + i % mode);
            }
            qtest_memwrite(t.qts, TABLES + i * 4 * KiB, entries,
                           sizeof(entries));
        }
        amd_set_dte(&t, DTE_V | DTE_TV | DTE_MODE(mode) |
                        (TABLES + (mode - 1) * 4 * KiB) | DTE_R | DTE_W,
                    random_below(65536));
        for (i = 0; i < RANDOM_ACCESSES; i++) {
            uint64_t iova = random_u64() & ~7ULL;

            if (mode < 6) {
                iova &= MAKE_64BIT_MASK(0, 12 + 9 * mode);
            }
            /* Now and then nothing but the levels that are not skipped */
            if (random_below(2)) {
                iova &= MAKE_64BIT_MASK(3 + 9 * (1 + random_below(6)), 9) |
                        0x1ffff8;
            }
            if (is_harmless(&t, iova)) {
                allowed += amd_model(&t, iova, false).allowed;
                amd_check_access(&t, iova);
            }
        }
    }
    g_test_message("%u of the accesses were allowed", allowed);
    g_assert_cmpuint(allowed, >, 0);
    amd_quit(&t);
}

int main(int argc, char **argv)
{
    uintptr_t n;

    g_test_init(&argc, &argv, NULL);
    if (!qtest_has_machine("q35") || !qtest_has_device("edu")) {
        return 0;
    }
    for (n = 1; n <= 6; n++) {
        g_autofree char *path = g_strdup_printf("/amd-iommu/walk/mode/%d",
                                                (int)n);

        qtest_add_data_func(path, (void *)n, test_mode);
    }
    for (n = 4; n <= 6; n++) {
        g_autofree char *path = g_strdup_printf("/amd-iommu/walk/hats/%d",
                                                (int)n);

        qtest_add_data_func(path, (void *)n, test_hats);
    }
    qtest_add_func("/amd-iommu/walk/permissions", test_permissions);
    qtest_add_func("/amd-iommu/walk/dte", test_dte);
    qtest_add_func("/amd-iommu/walk/bad-tables", test_bad_tables);
    qtest_add_func("/amd-iommu/walk/random", test_random);
    return g_test_run();
}
