/*
 * The I/O Remapping Table of the virt machine
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Conforms to "IO Remapping Table System Software on ARM Platforms",
 * Document number: ARM DEN 0049E.b, Feb 2021, and where Memory Range nodes
 * are present, to ARM DEN 0049E.d, Feb 2022.
 *
 * Nodes, in this order: one ITS group if the machine has an ITS, the SMMUs,
 * the root complex (one segment, so all host bridges share it), one Memory
 * Range (RMR) node for each SMMU that needs one.
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/acpi/acpi-defs.h"
#include "hw/acpi/aml-build.h"
#include "hw/arm/smmuv3.h"
#include "hw/arm/virt.h"
#include "hw/intc/arm_gicv3_its_common.h"
#include "hw/pci/pci_bus.h"
#include "hw/pci/pci_host.h"
#include "hw/platform-bus.h"
#include "smmuv3-internal.h"
#include "virt-acpi-iort.h"
#include "virt-smmuv3.h"

#define IORT_REV_PLAIN              3
#define IORT_REV_RMR                5   /* the first that knows RMR nodes */

#define IORT_NO_ITS                 0   /* in place of a node's offset */

#define IORT_HEADER_SIZE            48
#define IORT_ITS_NODE_SIZE          24  /* with one ITS */
#define IORT_SMMU_V3_NODE_SIZE      68
#define IORT_ROOT_COMPLEX_NODE_SIZE 36
#define IORT_RMR_NODE_SIZE          28
#define IORT_RMR_DESCRIPTOR_SIZE    20
#define IORT_ID_MAPPING_SIZE        20

/* all requester IDs of a segment */
#define IORT_NUM_RIDS               0x10000

enum {
    IORT_NODE_ITS_GROUP = 0,
    IORT_NODE_ROOT_COMPLEX = 2,
    IORT_NODE_SMMU_V3 = 4,
    IORT_NODE_RMR = 6,
};

/* Remapping of the range is permitted; device memory (nGnRnE) */
#define IORT_RMR_FLAG_REMAP_PERMITTED   1

typedef struct IortIdRange {
    uint32_t base;
    uint32_t count;
} IortIdRange;

typedef struct IortSmmu {
    uint32_t identifier;        /* of its node */
    hwaddr base;                /* of the registers */
    int gsiv[NUM_SMMU_IRQS];    /* in the order of SMMUIrq */
    bool msi_rmr;               /* hardware walks the guest's stage 1 */
    bool ats;                   /* it answers translation requests */
    GArray *ranges;             /* of IortIdRange: the IDs it translates */
    uint32_t offset;            /* of its node in the table */
} IortSmmu;

typedef struct IortState {
    GArray *table;
    uint32_t start;             /* offset of the IORT in @table */
    uint32_t next_id;           /* node identifiers, unique in the table */
} IortState;

static int iort_range_compare(gconstpointer a, gconstpointer b)
{
    const IortIdRange *ra = a, *rb = b;

    return (int)ra->base - (int)rb->base;
}

static void iort_smmu_add_bus(IortSmmu *smmu, PCIBus *bus)
{
    IortIdRange range;
    int min_bus, max_bus;

    if (!bus || pci_bus_bypass_iommu(bus)) {
        return;
    }
    pci_bus_range(bus, &min_bus, &max_bus);
    range.base = min_bus << 8;
    range.count = (max_bus - min_bus + 1) << 8;
    g_array_append_val(smmu->ranges, range);
}

static int iort_smmu_add_host_bridge(Object *obj, void *opaque)
{
    if (object_dynamic_cast(obj, TYPE_PCI_HOST_BRIDGE)) {
        iort_smmu_add_bus(opaque, PCI_HOST_BRIDGE(obj)->bus);
    }
    return 0;
}

static bool iort_smmu_has_ats(const SMMUv3State *s)
{
    return FIELD_EX32(s->idr[0], IDR0, ATS);
}

static void iort_smmu_clear(void *data)
{
    IortSmmu *smmu = data;

    g_array_unref(smmu->ranges);
}

/* The machine's own SMMU (iommu=smmuv3) stands before every host bridge */
static void iort_add_machine_smmu(GArray *smmus, VirtMachineState *vms)
{
    IortSmmu smmu = {
        .identifier = 1,
        .base = vms->memmap[VIRT_SMMU].base,
        .ats = vms->bus->iommu_opaque &&
               iort_smmu_has_ats(ARM_SMMUV3(vms->bus->iommu_opaque)),
        .ranges = g_array_new(false, true, sizeof(IortIdRange)),
    };

    for (int i = 0; i < NUM_SMMU_IRQS; i++) {
        smmu.gsiv[i] = vms->irqmap[VIRT_SMMU] + i + GIC_INTERNAL;
    }
    object_child_foreach_recursive(object_get_root(),
                                   iort_smmu_add_host_bridge, &smmu);
    g_array_sort(smmu.ranges, iort_range_compare);
    g_array_append_val(smmus, smmu);
}

/* An arm-smmuv3 device stands before one root bus */
static void iort_add_device_smmu(GArray *smmus, VirtMachineState *vms,
                                 DeviceState *dev)
{
    IortSmmu smmu = {
        .identifier = ARM_SMMUV3(dev)->identifier,
        .base = virt_smmuv3_mmio_base(vms, dev),
        .ats = iort_smmu_has_ats(ARM_SMMUV3(dev)),
        .ranges = g_array_new(false, true, sizeof(IortIdRange)),
    };

    for (int i = 0; i < NUM_SMMU_IRQS; i++) {
        smmu.gsiv[i] = virt_smmuv3_irq(vms, dev, i) + GIC_INTERNAL;
    }
    iort_smmu_add_bus(&smmu, ARM_SMMU(dev)->primary_bus);
    smmu.msi_rmr = virt_smmuv3_is_accelerated(dev) && smmu.ranges->len;
    g_array_append_val(smmus, smmu);
}

static GArray *iort_collect_smmus(VirtMachineState *vms)
{
    GArray *smmus = g_array_new(false, true, sizeof(IortSmmu));

    g_array_set_clear_func(smmus, iort_smmu_clear);
    if (vms->iommu == VIRT_IOMMU_SMMUV3) {
        iort_add_machine_smmu(smmus, vms);
    }
    for (guint i = 0; i < vms->smmuv3_devices->len; i++) {
        iort_add_device_smmu(smmus, vms,
                             g_ptr_array_index(vms->smmuv3_devices, i));
    }
    return smmus;
}

/*
 * The IDs that no SMMU translates, in order: they reach the ITS directly.
 * Without one there is nothing to map them to.
 */
static GArray *iort_untranslated_ranges(GArray *smmus, bool has_its)
{
    g_autoptr(GArray) used = g_array_new(false, true, sizeof(IortIdRange));
    GArray *rest = g_array_new(false, true, sizeof(IortIdRange));
    IortIdRange gap = {0};

    if (!has_its) {
        return rest;
    }
    for (guint i = 0; i < smmus->len; i++) {
        GArray *ranges = g_array_index(smmus, IortSmmu, i).ranges;

        g_array_append_vals(used, ranges->data, ranges->len);
    }
    g_array_sort(used, iort_range_compare);

    for (guint i = 0; i < used->len; i++) {
        IortIdRange *range = &g_array_index(used, IortIdRange, i);

        if (gap.base < range->base) {
            gap.count = range->base - gap.base;
            g_array_append_val(rest, gap);
        }
        gap.base = range->base + range->count;
    }
    if (gap.base < IORT_NUM_RIDS) {
        gap.count = IORT_NUM_RIDS - gap.base;
        g_array_append_val(rest, gap);
    }
    return rest;
}

/* Table 3: the header that all nodes share; returns the node's offset */
static uint32_t iort_begin_node(IortState *iort, uint8_t type, uint16_t length,
                                uint8_t revision, uint32_t nb_mappings,
                                uint32_t mappings_offset)
{
    uint32_t offset = iort->table->len - iort->start;

    build_append_int_noprefix(iort->table, type, 1);
    build_append_int_noprefix(iort->table, length, 2);
    build_append_int_noprefix(iort->table, revision, 1);
    build_append_int_noprefix(iort->table, iort->next_id++, 4);
    build_append_int_noprefix(iort->table, nb_mappings, 4);
    build_append_int_noprefix(iort->table, mappings_offset, 4);
    return offset;
}

/* Table 4: IDs map one to one, to the node at offset @output */
static void iort_append_mapping(IortState *iort, IortIdRange range,
                                uint32_t output)
{
    build_append_int_noprefix(iort->table, range.base, 4); /* Input base */
    /* Number of IDs: the number of IDs in the range minus one */
    build_append_int_noprefix(iort->table, range.count - 1, 4);
    build_append_int_noprefix(iort->table, range.base, 4); /* Output base */
    build_append_int_noprefix(iort->table, output, 4); /* Output Reference */
    build_append_int_noprefix(iort->table, 0, 4); /* Flags: no single map */
}

static void iort_append_mappings(IortState *iort, GArray *ranges,
                                 uint32_t output)
{
    for (guint i = 0; i < ranges->len; i++) {
        iort_append_mapping(iort, g_array_index(ranges, IortIdRange, i),
                            output);
    }
}

/* Table 12 ITS Group Format */
static uint32_t iort_append_its_group(IortState *iort)
{
    uint32_t offset = iort_begin_node(iort, IORT_NODE_ITS_GROUP,
                                      IORT_ITS_NODE_SIZE, 1, 0, 0);

    build_append_int_noprefix(iort->table, 1, 4); /* Number of ITSs */
    /* GIC ITS Identifier Array: MADT translation_id */
    build_append_int_noprefix(iort->table, 0, 4);
    return offset;
}

/* The identifiers of SMMUs are fixed, the other nodes have those after them */
static uint32_t iort_max_identifier(GArray *smmus)
{
    uint32_t max = 0;

    for (guint i = 0; i < smmus->len; i++) {
        max = MAX(max, g_array_index(smmus, IortSmmu, i).identifier);
    }
    return max;
}

/* Table 9 SMMUv3 Format */
static void iort_append_smmu(IortState *iort, IortSmmu *smmu,
                             uint32_t its_offset)
{
    GArray *table = iort->table;
    uint32_t nb_mappings = its_offset != IORT_NO_ITS;

    iort->next_id = smmu->identifier;
    smmu->offset = iort_begin_node(iort, IORT_NODE_SMMU_V3,
                                   IORT_SMMU_V3_NODE_SIZE +
                                   IORT_ID_MAPPING_SIZE * nb_mappings, 4,
                                   nb_mappings,
                                   nb_mappings ? IORT_SMMU_V3_NODE_SIZE : 0);
    build_append_int_noprefix(table, smmu->base, 8); /* Base address */
    build_append_int_noprefix(table, 1 /* COHACC Override */, 4); /* Flags */
    build_append_int_noprefix(table, 0, 4); /* Reserved */
    build_append_int_noprefix(table, 0, 8); /* VATOS address */
    build_append_int_noprefix(table, 0 /* Generic SMMU-v3 */, 4); /* Model */
    build_append_int_noprefix(table, smmu->gsiv[SMMU_IRQ_EVTQ], 4);
    build_append_int_noprefix(table, smmu->gsiv[SMMU_IRQ_PRIQ], 4);
    build_append_int_noprefix(table, smmu->gsiv[SMMU_IRQ_GERROR], 4);
    build_append_int_noprefix(table, smmu->gsiv[SMMU_IRQ_CMD_SYNC], 4);
    build_append_int_noprefix(table, 0, 4); /* Proximity domain */
    /* DeviceID mapping index (ignored since interrupts are GSIV based) */
    build_append_int_noprefix(table, 0, 4);

    if (nb_mappings) {
        iort_append_mapping(iort, (IortIdRange) { 0, IORT_NUM_RIDS },
                            its_offset);
    }
}

/* Table 17 Root Complex Node */
static void iort_append_root_complex(IortState *iort, GArray *smmus,
                                     uint32_t its_offset)
{
    g_autoptr(GArray) rest =
        iort_untranslated_ranges(smmus, its_offset != IORT_NO_ITS);
    GArray *table = iort->table;
    uint32_t nb_mappings = rest->len;
    bool ats = false;

    for (guint i = 0; i < smmus->len; i++) {
        nb_mappings += g_array_index(smmus, IortSmmu, i).ranges->len;
        ats |= g_array_index(smmus, IortSmmu, i).ats;
    }
    iort_begin_node(iort, IORT_NODE_ROOT_COMPLEX,
                    IORT_ROOT_COMPLEX_NODE_SIZE +
                    IORT_ID_MAPPING_SIZE * nb_mappings, 3, nb_mappings,
                    nb_mappings ? IORT_ROOT_COMPLEX_NODE_SIZE : 0);

    /* Table 14 Memory access properties */
    /* CCA: Cache Coherent Attribute */
    build_append_int_noprefix(table, 1 /* fully coherent */, 4);
    build_append_int_noprefix(table, 0, 1); /* AH: Note Allocation Hints */
    build_append_int_noprefix(table, 0, 2); /* Reserved */
    /* Table 15 Memory Access Flags */
    build_append_int_noprefix(table, 0x3 /* CCA = CPM = DACS = 1 */, 1);

    /* ATS Attribute: one node for all SMMUs, each of which knows better */
    build_append_int_noprefix(table, ats, 4);
    build_append_int_noprefix(table, 0, 4); /* MCFG pci_segment */
    build_append_int_noprefix(table, 64, 1); /* Memory address size limit */
    build_append_int_noprefix(table, 0, 3); /* Reserved */

    /* translated RIDs: RC -> SMMUv3 (-> ITS); the others: RC -> ITS */
    for (guint i = 0; i < smmus->len; i++) {
        IortSmmu *smmu = &g_array_index(smmus, IortSmmu, i);

        iort_append_mappings(iort, smmu->ranges, smmu->offset);
    }
    iort_append_mappings(iort, rest, its_offset);
}

/*
 * Memory Range node (ARM DEN 0049E.d, 3.1.1.5)
 *
 * The host's kernel maps the physical ITS doorbell at a fixed intermediate
 * physical address and programs it into assigned devices.  Their MSIs go
 * through the guest's stage 1 like any DMA, which therefore has to map that
 * address to itself.  "Remap permitted" lets the guest give such a device to
 * a driver of its own choosing (vfio).
 */
static void iort_append_rmr(IortState *iort, const IortSmmu *smmu)
{
    GArray *table = iort->table;
    uint32_t nb_mappings = smmu->ranges->len;
    uint32_t descriptor_offset = IORT_RMR_NODE_SIZE +
                                 IORT_ID_MAPPING_SIZE * nb_mappings;

    iort_begin_node(iort, IORT_NODE_RMR,
                    descriptor_offset + IORT_RMR_DESCRIPTOR_SIZE, 3,
                    nb_mappings, IORT_RMR_NODE_SIZE);
    build_append_int_noprefix(table, IORT_RMR_FLAG_REMAP_PERMITTED, 4);
    build_append_int_noprefix(table, 1, 4); /* Number of descriptors */
    build_append_int_noprefix(table, descriptor_offset, 4);
    iort_append_mappings(iort, smmu->ranges, smmu->offset);

    build_append_int_noprefix(table, VIRT_HOST_MSI_IPA_BASE, 8);
    build_append_int_noprefix(table, VIRT_HOST_MSI_IPA_SIZE, 8);
    build_append_int_noprefix(table, 0, 4); /* Reserved */
}

static uint32_t iort_count_rmrs(GArray *smmus)
{
    uint32_t nb_rmrs = 0;

    for (guint i = 0; i < smmus->len; i++) {
        nb_rmrs += g_array_index(smmus, IortSmmu, i).msi_rmr;
    }
    return nb_rmrs;
}

bool virt_acpi_has_its(VirtMachineState *vms)
{
    VirtMachineClass *vmc = VIRT_MACHINE_GET_CLASS(vms);

    if (!vmc->iort_as_is) {
        return its_class_name() && !vmc->no_its;
    }
    return vms->msi_controller == VIRT_MSI_CTRL_ITS;
}

void virt_build_iort(GArray *table_data, BIOSLinker *linker,
                     VirtMachineState *vms)
{
    VirtMachineClass *vmc = VIRT_MACHINE_GET_CLASS(vms);
    g_autoptr(GArray) smmus = iort_collect_smmus(vms);
    IortState iort = { .table = table_data, .start = table_data->len };
    uint32_t nb_rmrs = iort_count_rmrs(smmus);
    bool has_its = virt_acpi_has_its(vms);
    /* ITS group, root complex, SMMUs, Memory Ranges */
    uint32_t nb_nodes = has_its + 1 + smmus->len + nb_rmrs;
    uint32_t its_offset = IORT_NO_ITS;
    AcpiTable table = { .sig = "IORT",
                        .rev = nb_rmrs || vmc->iort_as_is ? IORT_REV_RMR
                                                          : IORT_REV_PLAIN,
                        .oem_id = vms->oem_id,
                        .oem_table_id = vms->oem_table_id };

    /* Table 2 The IORT */
    acpi_table_begin(&table, table_data);
    build_append_int_noprefix(table_data, nb_nodes, 4);
    build_append_int_noprefix(table_data, IORT_HEADER_SIZE, 4);
    build_append_int_noprefix(table_data, 0, 4); /* Reserved */

    if (has_its) {
        its_offset = iort_append_its_group(&iort);
    }
    for (guint i = 0; i < smmus->len; i++) {
        iort_append_smmu(&iort, &g_array_index(smmus, IortSmmu, i),
                         its_offset);
    }
    iort.next_id = iort_max_identifier(smmus) + 1;
    iort_append_root_complex(&iort, smmus, its_offset);
    for (guint i = 0; i < smmus->len; i++) {
        IortSmmu *smmu = &g_array_index(smmus, IortSmmu, i);

        if (smmu->msi_rmr) {
            iort_append_rmr(&iort, smmu);
        }
    }
    acpi_table_end(linker, &table);
}
