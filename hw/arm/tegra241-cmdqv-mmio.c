/*
 * Tegra241 CMDQ-V: which register an access goes to
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * An access of 64 bits to two registers of 32, or one of 32 bits to half a
 * register of 64, is what it looks like.  What is not in a table, or belongs
 * to a VINTF or VCMDQ that is not there, reads as zero and ignores writes; so
 * do LVCMDQs without a VCMDQ.
 */

#include "qemu/osdep.h"
#include "qemu/log.h"
#include "tegra241-cmdqv.h"
#include "trace.h"

/* A place in the register pages */
typedef struct CMDQVPlace {
    const CMDQVReg *reg;
    unsigned block;
    unsigned n;
    unsigned byte;              /* of the register */
    bool page0;                 /* of VCMDQ @block */
} CMDQVPlace;

static bool cmdqv_find_reg(const CMDQVReg *regs, hwaddr offset,
                           CMDQVPlace *place)
{
    for (const CMDQVReg *reg = regs; reg->name; reg++) {
        hwaddr in_reg = offset - reg->offset;

        if (offset >= reg->offset && in_reg < reg->size * reg->num) {
            place->reg = reg;
            place->n = in_reg / reg->size;
            place->byte = in_reg % reg->size;
            return true;
        }
    }
    return false;
}

static bool cmdqv_find_vcmdq_reg(Tegra241CMDQVState *s, int q, bool page0,
                                 hwaddr offset, CMDQVPlace *place)
{
    if (q < 0 || q >= tegra241_cmdqv_num_vcmdqs(s)) {
        return false;
    }
    place->block = q;
    place->page0 = page0;
    return cmdqv_find_reg(page0 ? tegra241_cmdqv_vcmdq_page0_regs
                                : tegra241_cmdqv_vcmdq_page1_regs, offset,
                          place);
}

static bool cmdqv_find_place(Tegra241CMDQVState *s, hwaddr addr,
                             CMDQVPlace *place)
{
    hwaddr page = addr & ~(hwaddr)(CMDQV_PAGE_SIZE - 1);
    hwaddr offset = addr - page;
    unsigned q = offset / CMDQV_VCMDQ_STRIDE;
    unsigned vintf;

    *place = (CMDQVPlace) {};
    if (page == CMDQV_CONFIG_BASE) {
        if (offset < CMDQV_VINTF_BASE) {
            return cmdqv_find_reg(tegra241_cmdqv_config_regs, offset, place);
        }
        offset -= CMDQV_VINTF_BASE;
        place->block = offset / CMDQV_VINTF_STRIDE;
        return place->block < tegra241_cmdqv_num_vintfs(s) &&
               cmdqv_find_reg(tegra241_cmdqv_vintf_regs,
                              offset % CMDQV_VINTF_STRIDE, place);
    }
    offset %= CMDQV_VCMDQ_STRIDE;
    if (page < CMDQV_VINTF_PAGE_BASE) {
        return cmdqv_find_vcmdq_reg(s, q, page == CMDQV_VCMDQ_PAGE0_BASE,
                                    offset, place);
    }
    page -= CMDQV_VINTF_PAGE_BASE;
    vintf = page / CMDQV_VINTF_PAGES_SIZE;
    return cmdqv_find_vcmdq_reg(s, tegra241_cmdqv_find_vcmdq(s, vintf, q),
                                page % CMDQV_VINTF_PAGES_SIZE == 0, offset,
                                place);
}

static uint64_t cmdqv_read_place(Tegra241CMDQVState *s,
                                 const CMDQVPlace *place)
{
    uint32_t value;

    if (place->page0 && s->ops->read_page0 &&
        s->ops->read_page0(s, place->block, place->reg->offset, &value)) {
        return value;
    }
    return place->reg->read(s, place->block, place->n);
}

static void cmdqv_write_place(Tegra241CMDQVState *s, const CMDQVPlace *place,
                              uint64_t value)
{
    const CMDQVReg *reg = place->reg;

    if (place->page0 && s->ops->write_page0 &&
        s->ops->write_page0(s, place->block, reg->offset, value)) {
        return;
    }
    if (!reg->write) {
        qemu_log_mask(LOG_GUEST_ERROR, "%s: %s is read-only\n",
                      TYPE_TEGRA241_CMDQV, reg->name);
        return;
    }
    reg->write(s, place->block, place->n,
               (reg->read(s, place->block, place->n) & ~reg->mask) |
               (value & reg->mask));
}

uint32_t tegra241_cmdqv_get_page0(Tegra241CMDQVState *s, unsigned q,
                                  hwaddr reg)
{
    CMDQVPlace place = {};

    cmdqv_find_vcmdq_reg(s, q, true, reg, &place);
    return cmdqv_read_place(s, &place);
}

static uint64_t tegra241_cmdqv_mmio_read(void *opaque, hwaddr addr,
                                         unsigned size)
{
    Tegra241CMDQVState *s = opaque;
    uint64_t value = 0;
    CMDQVPlace place;

    /* whole registers, or 32-bit halves of wide ones */
    for (unsigned done = 0, len; done < size; done += len) {
        len = 4;
        if (cmdqv_find_place(s, addr + done, &place)) {
            uint64_t reg = cmdqv_read_place(s, &place) >> (place.byte * 8);

            len = MIN(size - done, place.reg->size - place.byte);
            value |= extract64(reg, 0, len * 8) << (done * 8);
        }
    }
    trace_tegra241_cmdqv_read(addr, size, value);
    return value;
}

static void tegra241_cmdqv_mmio_write(void *opaque, hwaddr addr,
                                      uint64_t value, unsigned size)
{
    Tegra241CMDQVState *s = opaque;
    CMDQVPlace place;

    trace_tegra241_cmdqv_write(addr, size, value);
    for (unsigned done = 0, len; done < size; done += len) {
        uint64_t part = value >> (done * 8);

        len = 4;
        if (cmdqv_find_place(s, addr + done, &place)) {
            len = MIN(size - done, place.reg->size - place.byte);
            if (len < place.reg->size) {
                part = deposit64(cmdqv_read_place(s, &place), place.byte * 8,
                                 len * 8, part);
            }
            cmdqv_write_place(s, &place, part);
        }
    }
}

static const MemoryRegionOps tegra241_cmdqv_mmio_ops = {
    .read = tegra241_cmdqv_mmio_read,
    .write = tegra241_cmdqv_mmio_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = {
        .min_access_size = 4,
        .max_access_size = 8,
    },
    .impl = {
        .min_access_size = 4,
        .max_access_size = 8,
    },
};

void tegra241_cmdqv_init_mmio(Tegra241CMDQVState *s)
{
    memory_region_init_io(&s->mmio, OBJECT(s), &tegra241_cmdqv_mmio_ops, s,
                          TYPE_TEGRA241_CMDQV, CMDQV_VINTF_PAGE_BASE +
                          tegra241_cmdqv_num_vintfs(s) *
                          CMDQV_VINTF_PAGES_SIZE);
}
