/*
 * A device for tests of virtual IOMMUs: it takes the mappings that vfio would
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Registers the IOMMU notifiers that hw/vfio has for an assigned device, and
 * keeps what it is told to map by the rules of iommufd: a new mapping must not
 * overlap another, and one that is unmapped must not be cut.  Both are counted,
 * and can be read, together with the translation of an address, in BAR 0.
 */

#include "qemu/osdep.h"
#include "exec/address-spaces.h"
#include "hw/pci/pci_device.h"
#include "hw/registerfields.h"
#include "qapi/error.h"
#include "qemu/interval-tree.h"
#include "qemu/queue.h"
#include "qom/object.h"

#define TYPE_VIOMMU_TESTDEV "viommu-testdev"
OBJECT_DECLARE_SIMPLE_TYPE(ViommuTestdev, VIOMMU_TESTDEV)

/* Calls since the last write to the register */
REG64(MAPS, 0x00)
REG64(UNMAPS, 0x08)
/* Mappings, and the sum of their sizes in bytes */
REG64(MAPPINGS, 0x10)
REG64(BYTES, 0x18)
/* Calls that a host would have refused */
REG64(VIOLATIONS, 0x20)
/* What this I/O address is mapped to */
REG64(IOVA, 0x28)
REG64(TRANSLATION, 0x30)
    FIELD(TRANSLATION, READ, 0, 1)
    FIELD(TRANSLATION, WRITE, 1, 1)
    FIELD(TRANSLATION, ADDRESS, 12, 52)

#define BAR_SIZE    0x1000
#define PAGE_SIZE   0x1000

typedef struct Mapping {
    IntervalTreeNode node;
    hwaddr pa;
    IOMMUAccessFlags perm;
} Mapping;

typedef struct TestdevNotifier {
    IOMMUNotifier n;
    ViommuTestdev *dev;
    MemoryRegion *mr;
    hwaddr offset;
    QLIST_ENTRY(TestdevNotifier) next;
} TestdevNotifier;

struct ViommuTestdev {
    PCIDevice parent_obj;
    MemoryRegion bar;
    MemoryListener listener;
    IntervalTreeRoot mappings;
    QLIST_HEAD(, TestdevNotifier) notifiers;
    uint64_t n_mappings;
    uint64_t bytes;
    uint64_t maps;
    uint64_t unmaps;
    uint64_t violations;
    hwaddr iova;
};

static Mapping *find_mapping(ViommuTestdev *d, hwaddr start, hwaddr last)
{
    IntervalTreeNode *node = interval_tree_iter_first(&d->mappings, start,
                                                      last);

    return node ? container_of(node, Mapping, node) : NULL;
}

static void drop_mapping(ViommuTestdev *d, Mapping *m)
{
    interval_tree_remove(&m->node, &d->mappings);
    d->n_mappings--;
    d->bytes -= m->node.last - m->node.start + 1;
    g_free(m);
}

static void add_mapping(ViommuTestdev *d, hwaddr start, hwaddr last, hwaddr pa,
                        IOMMUAccessFlags perm)
{
    Mapping *m;

    if (find_mapping(d, start, last) || start > last ||
        (start | (last + 1) | pa) % PAGE_SIZE) {
        d->violations++;
        return;
    }
    m = g_new0(Mapping, 1);
    m->node.start = start;
    m->node.last = last;
    m->pa = pa;
    m->perm = perm;
    interval_tree_insert(&m->node, &d->mappings);
    d->n_mappings++;
    d->bytes += last - start + 1;
}

static void drop_range(ViommuTestdev *d, hwaddr start, hwaddr last)
{
    Mapping *m;

    while ((m = find_mapping(d, start, last))) {
        if (m->node.start < start || m->node.last > last) {
            d->violations++;
            return;
        }
        drop_mapping(d, m);
    }
}

static void notified(IOMMUNotifier *n, IOMMUTLBEntry *entry)
{
    TestdevNotifier *notifier = container_of(n, TestdevNotifier, n);
    ViommuTestdev *d = notifier->dev;
    hwaddr start = entry->iova + notifier->offset;
    hwaddr last = start + entry->addr_mask;
    Error *err = NULL;

    if (entry->perm == IOMMU_NONE) {
        d->unmaps++;
        drop_range(d, start, last);
        return;
    }
    d->maps++;
    if (!memory_get_xlat_addr(entry, NULL, NULL, NULL, NULL, &err)) {
        error_free(err);
        d->violations++;
        return;
    }
    add_mapping(d, start, last, entry->translated_addr, entry->perm);
}

static hwaddr section_last(MemoryRegionSection *section, hwaddr start)
{
    return int128_get64(int128_add(int128_make64(start),
                                   int128_sub(section->size, int128_one())));
}

static void region_add(MemoryListener *listener, MemoryRegionSection *section)
{
    ViommuTestdev *d = container_of(listener, ViommuTestdev, listener);
    hwaddr start = section->offset_within_address_space;
    TestdevNotifier *n;

    if (memory_region_is_ram(section->mr)) {
        add_mapping(d, start, section_last(section, start), start, IOMMU_RW);
    }
    if (!memory_region_is_iommu(section->mr)) {
        return;
    }
    n = g_new0(TestdevNotifier, 1);
    n->dev = d;
    n->mr = section->mr;
    n->offset = start - section->offset_within_region;
    iommu_notifier_init(&n->n, notified, IOMMU_NOTIFIER_IOTLB_EVENTS,
                        section->offset_within_region,
                        section_last(section, section->offset_within_region),
                        0);
    memory_region_register_iommu_notifier(section->mr, &n->n, &error_fatal);
    QLIST_INSERT_HEAD(&d->notifiers, n, next);
    memory_region_iommu_replay(IOMMU_MEMORY_REGION(section->mr), &n->n);
}

static void region_del(MemoryListener *listener, MemoryRegionSection *section)
{
    ViommuTestdev *d = container_of(listener, ViommuTestdev, listener);
    hwaddr start = section->offset_within_address_space;
    TestdevNotifier *n, *tmp;

    QLIST_FOREACH_SAFE(n, &d->notifiers, next, tmp) {
        if (n->mr == section->mr &&
            n->n.start == section->offset_within_region) {
            memory_region_unregister_iommu_notifier(n->mr, &n->n);
            QLIST_REMOVE(n, next);
            g_free(n);
        }
    }
    if (memory_region_is_ram(section->mr) ||
        memory_region_is_iommu(section->mr)) {
        drop_range(d, start, section_last(section, start));
    }
}

static uint64_t translation(ViommuTestdev *d)
{
    Mapping *m = find_mapping(d, d->iova, d->iova);
    uint64_t t = 0;

    if (m) {
        t = (m->pa + (d->iova - m->node.start)) & R_TRANSLATION_ADDRESS_MASK;
        t = FIELD_DP64(t, TRANSLATION, READ, !!(m->perm & IOMMU_RO));
        t = FIELD_DP64(t, TRANSLATION, WRITE, !!(m->perm & IOMMU_WO));
    }
    return t;
}

static uint64_t bar_read(void *opaque, hwaddr addr, unsigned size)
{
    ViommuTestdev *d = opaque;

    switch (addr) {
    case A_MAPS:
        return d->maps;
    case A_UNMAPS:
        return d->unmaps;
    case A_MAPPINGS:
        return d->n_mappings;
    case A_BYTES:
        return d->bytes;
    case A_VIOLATIONS:
        return d->violations;
    case A_IOVA:
        return d->iova;
    case A_TRANSLATION:
        return translation(d);
    default:
        return 0;
    }
}

static void bar_write(void *opaque, hwaddr addr, uint64_t val, unsigned size)
{
    ViommuTestdev *d = opaque;

    switch (addr) {
    case A_MAPS:
        d->maps = 0;
        break;
    case A_UNMAPS:
        d->unmaps = 0;
        break;
    case A_IOVA:
        d->iova = val;
        break;
    default:
        break;
    }
}

static const MemoryRegionOps bar_ops = {
    .read = bar_read,
    .write = bar_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 8, .max_access_size = 8 },
    .impl = { .min_access_size = 8, .max_access_size = 8 },
};

static void viommu_testdev_realize(PCIDevice *pdev, Error **errp)
{
    ViommuTestdev *d = VIOMMU_TESTDEV(pdev);

    QLIST_INIT(&d->notifiers);
    memory_region_init_io(&d->bar, OBJECT(d), &bar_ops, d, "viommu-testdev",
                          BAR_SIZE);
    pci_register_bar(pdev, 0, PCI_BASE_ADDRESS_SPACE_MEMORY, &d->bar);
    d->listener.name = "viommu-testdev";
    d->listener.region_add = region_add;
    d->listener.region_del = region_del;
    memory_listener_register(&d->listener,
                             pci_device_iommu_address_space(pdev));
}

static void viommu_testdev_exit(PCIDevice *pdev)
{
    ViommuTestdev *d = VIOMMU_TESTDEV(pdev);
    Mapping *m;

    /* Calls region_del() for all that is there */
    memory_listener_unregister(&d->listener);
    while ((m = find_mapping(d, 0, UINT64_MAX))) {
        drop_mapping(d, m);
    }
}

static void viommu_testdev_class_init(ObjectClass *klass, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);
    PCIDeviceClass *k = PCI_DEVICE_CLASS(klass);

    k->realize = viommu_testdev_realize;
    k->exit = viommu_testdev_exit;
    k->vendor_id = PCI_VENDOR_ID_REDHAT;
    k->device_id = PCI_DEVICE_ID_REDHAT_TEST;
    k->class_id = PCI_CLASS_OTHERS;
    dc->desc = "Mappings of a virtual IOMMU, for tests";
    set_bit(DEVICE_CATEGORY_MISC, dc->categories);
}

static const TypeInfo viommu_testdev_info = {
    .name = TYPE_VIOMMU_TESTDEV,
    .parent = TYPE_PCI_DEVICE,
    .instance_size = sizeof(ViommuTestdev),
    .class_init = viommu_testdev_class_init,
    .interfaces = (InterfaceInfo[]) {
        { INTERFACE_CONVENTIONAL_PCI_DEVICE },
        { },
    },
};

static void viommu_testdev_register_types(void)
{
    type_register_static(&viommu_testdev_info);
}

type_init(viommu_testdev_register_types)
