/*
 * Where the virt machine has the MSI doorbell of its ITS
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * An assigned device behind an accelerated SMMUv3 writes its MSIs to the
 * address that the host's kernel gave it: D, the start of the host's software
 * MSI window.  The guest's stage 1 translates that address, and stage 2 has
 * the physical doorbell at D and nowhere else.  So stage 1 has to map D to D.
 *
 * For DMA domains the guest is told so by Memory Range nodes of its IORT.  A
 * domain of vfio has no such mapping: it is made of what user space maps, and
 * of one page that the guest's kernel adds for the MSI doorbell it knows, the
 * one of its own ITS, at the start of its own software MSI window.  As it is
 * Linux on both sides, this window starts at D too.  What is left to bring
 * about is that the page which is mapped there is D: the doorbell page of the
 * machine's ITS has to have the guest physical address D.
 *
 * The doorbell is in the second of the ITS's two frames, and D is where the
 * distributor is.  So these change places, nearly: the ITS's first frame comes
 * to lie over the last 64 KiB of the flash's second bank.  The bank of a
 * variable store has its data at the other end; nevertheless its last sector
 * is not in the device tree any more.
 *
 * No property is needed to have it or not: an SMMU with accel=on is new, so
 * there is no older machine to stay compatible with, and there is no migration.
 */

#include "qemu/osdep.h"
#include <libfdt.h>
#include "hw/intc/arm_gicv3_its_common.h"
#include "hw/sysbus.h"
#include "qapi/error.h"
#include "qemu/units.h"
#include "system/device_tree.h"
#include "trace.h"
#include "virt-msi-doorbell.h"
#include "virt-smmuv3.h"

/* The frames of an ITS: control registers, then GITS_TRANSLATER */
#define ITS_FRAME_SIZE      (64 * KiB)
/* What the flash is erased by, and therefore counted in */
#define FLASH_SECTOR_SIZE   (256 * KiB)

static void fdt_move_node(void *fdt, const char *path, const char *name,
                          hwaddr base)
{
    g_autofree char *new_name = g_strdup_printf("%s@%" PRIx64, name, base);
    int node = fdt_path_offset(fdt, path);
    int ret = node < 0 ? node : fdt_set_name(fdt, node, new_name);

    /* The nodes are the machine's own: not to find them is a bug */
    if (ret < 0) {
        error_setg(&error_abort, "%s of the device tree can't be renamed: %s",
                   path, fdt_strerror(ret));
    }
}

/* Address and size number @n of a node's "reg", with two cells each */
static void fdt_set_reg(void *fdt, const char *path, int n, hwaddr base,
                        hwaddr size)
{
    const uint64_t entry[2] = { cpu_to_be64(base), cpu_to_be64(size) };
    g_autofree uint64_t *reg = NULL;
    const void *old;
    int len;

    old = qemu_fdt_getprop(fdt, path, "reg", &len, &error_abort);
    assert(len >= (n + 1) * sizeof(entry));
    reg = g_memdup2(old, len);
    memcpy(&reg[n * 2], entry, sizeof(entry));
    qemu_fdt_setprop(fdt, path, "reg", reg, len);
}

static void virt_fdt_move_gic(VirtMachineState *vms)
{
    const MemMapEntry *dist = &vms->memmap[VIRT_GIC_DIST];
    const MemMapEntry *its = &vms->memmap[VIRT_GIC_ITS];
    void *fdt = MACHINE(vms)->fdt;

    /* A path without unit address finds the only node of the name */
    fdt_set_reg(fdt, "/intc", 0, dist->base, dist->size);
    fdt_move_node(fdt, "/intc", "intc", dist->base);
    fdt_set_reg(fdt, "/intc/its", 0, its->base, its->size);
    fdt_move_node(fdt, "/intc/its", "its", its->base);
}

/* Where secure and non-secure flash have a node each, it is in the latter */
static void virt_fdt_shorten_flash(VirtMachineState *vms)
{
    const hwaddr bank = vms->memmap[VIRT_FLASH].size / 2;
    const hwaddr base = vms->memmap[VIRT_FLASH].base + bank;
    void *fdt = MACHINE(vms)->fdt;
    bool split = fdt_path_offset(fdt, "/secflash") >= 0;

    fdt_set_reg(fdt, "/flash", split ? 0 : 1, base, bank - FLASH_SECTOR_SIZE);
}

void virt_msi_doorbell_follow_host(VirtMachineState *vms)
{
    MemMapEntry *dist = &vms->memmap[VIRT_GIC_DIST];
    MemMapEntry *its = &vms->memmap[VIRT_GIC_ITS];
    const hwaddr its_base = VIRT_HOST_MSI_IPA_BASE - ITS_FRAME_SIZE;
    Object *its_dev;

    if (vms->msi_controller != VIRT_MSI_CTRL_ITS || its->base == its_base) {
        return;
    }
    its_dev = object_resolve_path_type("", TYPE_ARM_GICV3_ITS_COMMON, NULL);
    assert(its_dev);
    trace_virt_msi_doorbell_follow_host(its->base, its_base);

    dist->base = its->base;
    its->base = its_base;
    memory_region_transaction_begin();
    sysbus_mmio_map(SYS_BUS_DEVICE(vms->gic), 0, dist->base);
    /* in front of the flash */
    sysbus_mmio_map_overlap(SYS_BUS_DEVICE(its_dev), 0, its->base, 1);
    memory_region_transaction_commit();
    virt_fdt_move_gic(vms);
    virt_fdt_shorten_flash(vms);
}
