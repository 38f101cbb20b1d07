/*
 * A preloaded library that takes the effect from CMD_ATC_INV
 *
 * For a control run: of the commands in IOMMU_HWPT_INVALIDATE, those that
 * invalidate a device's translation cache are made to name a page that is never
 * used. All others reach the kernel as they are, so whatever the guest sees is
 * the effect of what stays in the device's cache.
 *
 * BLUNT_ATC_INV_AFTER=N lets the first N commands pass, so that the guest's
 * driver comes up. When the process ends, the number of commands that had no
 * effect is written to the file BLUNT_ATC_INV_COUNT.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>

/* From linux/iommufd.h: part of the kernel's ABI, so it cannot change */
#define IOMMU_HWPT_INVALIDATE _IO(';', 0x8d)

typedef struct Invalidate {
    uint32_t size;
    uint32_t hwpt_id;
    uint64_t data_uptr;
    uint32_t data_type;
    uint32_t entry_len;
    uint32_t entry_num;
    uint32_t reserved;
} Invalidate;

/* A command of the SMMU (IHI 0070, 4.5) */
typedef struct Command {
    uint64_t word[2];
} Command;

#define OPCODE_MASK     0xff
#define CMD_ATC_INV     0x40

/* One page (Size is 0), at an address that no driver maps anything at */
#define UNUSED_PAGE     0x1000

typedef int IoctlFn(int fd, unsigned long request, ...);

static unsigned long to_pass, blunted;

static __attribute__((constructor)) void setup(void)
{
    const char *after = getenv("BLUNT_ATC_INV_AFTER");

    if (after) {
        sscanf(after, "%lu", &to_pass);
    }
}

/* Without a lock: QEMU makes these calls under its own */
static void blunt(const Invalidate *inv)
{
    Command *commands = (Command *)(uintptr_t)inv->data_uptr;

    if (inv->entry_len != sizeof(*commands)) {
        return;
    }
    for (uint32_t i = 0; i < inv->entry_num; i++) {
        if ((commands[i].word[0] & OPCODE_MASK) != CMD_ATC_INV) {
            continue;
        }
        if (to_pass > 0) {
            to_pass--;
            continue;
        }
        commands[i].word[1] = UNUSED_PAGE;
        blunted++;
    }
}

int ioctl(int fd, unsigned long request, ...)
{
    static IoctlFn *real_ioctl;
    va_list ap;
    void *arg;

    va_start(ap, request);
    arg = va_arg(ap, void *);
    va_end(ap);

    if (request == IOMMU_HWPT_INVALIDATE) {
        blunt(arg);
    }
    if (!real_ioctl) {
        real_ioctl = (IoctlFn *)dlsym(RTLD_NEXT, "ioctl");
    }
    return real_ioctl(fd, request, arg);
}

static __attribute__((destructor)) void report(void)
{
    const char *path = getenv("BLUNT_ATC_INV_COUNT");
    FILE *f = path ? fopen(path, "w") : NULL;

    if (f) {
        fprintf(f, "%lu\n", blunted);
        fclose(f);
    }
}
