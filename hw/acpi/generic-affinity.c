/*
 * Generic initiators and generic ports: which NUMA node a device belongs to
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The objects are made before NUMA nodes and devices are, so what they refer
 * to is checked when the machine is complete; for an object that is made
 * later (QMP), at once.  A device may be unplugged after that: the tables are
 * then built without it.
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/visitor.h"
#include "qemu/bitmap.h"
#include "qemu/error-report.h"
#include "qom/object_interfaces.h"
#include "hw/acpi/aml-build.h"
#include "hw/acpi/generic-affinity.h"
#include "hw/boards.h"
#include "hw/pci/pci_bridge.h"
#include "hw/pci/pci_device.h"
#include "system/numa.h"
#include "system/system.h"
#include "trace.h"

#define TYPE_ACPI_GENERIC_AFFINITY "acpi-generic-affinity"

/* What the device handle names, and how the object calls it */
typedef struct AcpiGenericAffinityClass {
    ObjectClass parent_class;

    const char *handle_property;
    const char *handle_type;    /* QOM type */
    const char *handle_desc;
} AcpiGenericAffinityClass;

typedef struct AcpiGenericAffinity {
    Object parent_obj;

    char *handle;               /* id or QOM path */
    uint32_t node;
    uint64_t order;             /* of creation */
} AcpiGenericAffinity;

OBJECT_DECLARE_TYPE(AcpiGenericAffinity, AcpiGenericAffinityClass,
                    ACPI_GENERIC_AFFINITY)

static const char *generic_affinity_id(AcpiGenericAffinity *ga)
{
    return object_get_canonical_path_component(OBJECT(ga));
}

static bool is_initiator(AcpiGenericAffinity *ga)
{
    return object_dynamic_cast(OBJECT(ga), TYPE_ACPI_GENERIC_INITIATOR);
}

/* The order of the command line, which the container of objects forgets */
static gint generic_affinity_compare(gconstpointer a, gconstpointer b)
{
    const AcpiGenericAffinity *ga = *(AcpiGenericAffinity **)a;
    const AcpiGenericAffinity *gb = *(AcpiGenericAffinity **)b;

    return ga->order < gb->order ? -1 : ga->order > gb->order;
}

static int generic_affinity_collect(Object *obj, void *opaque)
{
    if (object_dynamic_cast(obj, TYPE_ACPI_GENERIC_AFFINITY)) {
        g_ptr_array_add(opaque, obj);
    }
    return 0;
}

static GPtrArray *generic_affinity_list(void)
{
    GPtrArray *list = g_ptr_array_new();

    object_child_foreach(object_get_objects_root(), generic_affinity_collect,
                         list);
    if (!MACHINE_GET_CLASS(qdev_get_machine())->unordered_acpi_gi) {
        g_ptr_array_sort(list, generic_affinity_compare);
    }
    return list;
}

/* The device or bus, or NULL with @errp set */
static Object *generic_affinity_resolve(AcpiGenericAffinity *ga, Error **errp)
{
    AcpiGenericAffinityClass *gac = ACPI_GENERIC_AFFINITY_GET_CLASS(ga);
    bool ambiguous = false;
    Object *obj = NULL;

    if (ga->handle) {
        obj = object_resolve_path_type(ga->handle, gac->handle_type,
                                       &ambiguous);
    }
    if (ambiguous) {
        error_setg(errp, "%s '%s': %s '%s' is more than one: "
                   "use the path that qom-list shows",
                   object_get_typename(OBJECT(ga)), generic_affinity_id(ga),
                   gac->handle_desc, ga->handle);
    } else if (!obj) {
        error_setg(errp, "%s '%s': there is no %s '%s': "
                   "set %s to the id of one",
                   object_get_typename(OBJECT(ga)), generic_affinity_id(ga),
                   gac->handle_desc, ga->handle ?: "", gac->handle_property);
    }
    return obj;
}

static bool generic_affinity_has_node(AcpiGenericAffinity *ga)
{
    NumaState *numa = MACHINE(qdev_get_machine())->numa_state;

    return numa && ga->node < numa->num_nodes &&
           numa->nodes[ga->node].present;
}

/* Without a search through all objects where plain names tell */
static bool generic_affinity_same_target(AcpiGenericAffinity *ga,
                                         AcpiGenericAffinity *gb)
{
    if (ga->handle && gb->handle && !strchr(ga->handle, '/') &&
        !strchr(gb->handle, '/')) {
        return !strcmp(ga->handle, gb->handle);
    }
    return generic_affinity_resolve(ga, NULL) ==
           generic_affinity_resolve(gb, NULL);
}

static bool generic_affinity_check(AcpiGenericAffinity *ga, Error **errp)
{
    g_autoptr(GPtrArray) list = generic_affinity_list();

    if (!generic_affinity_resolve(ga, errp)) {
        return false;
    }
    if (!generic_affinity_has_node(ga)) {
        error_setg(errp, "%s '%s': there is no NUMA node %" PRIu32
                   ": add -numa node,nodeid=%" PRIu32,
                   object_get_typename(OBJECT(ga)), generic_affinity_id(ga),
                   ga->node, ga->node);
        return false;
    }
    for (guint i = 0; i < list->len; i++) {
        AcpiGenericAffinity *other = g_ptr_array_index(list, i);

        if (other->order < ga->order && other->node == ga->node &&
            object_get_class(OBJECT(other)) == object_get_class(OBJECT(ga)) &&
            generic_affinity_same_target(other, ga)) {
            error_setg(errp, "%s '%s': '%s' gives node %" PRIu32
                       " to '%s' already: remove one of them",
                       object_get_typename(OBJECT(ga)),
                       generic_affinity_id(ga), generic_affinity_id(other),
                       ga->node, ga->handle);
            return false;
        }
    }
    return true;
}

static void generic_affinity_machine_done(Notifier *notifier, void *data)
{
    g_autoptr(GPtrArray) list = generic_affinity_list();

    for (guint i = 0; i < list->len; i++) {
        AcpiGenericAffinity *ga = g_ptr_array_index(list, i);
        Error *err = NULL;

        if (!generic_affinity_check(ga, &err)) {
            error_report_err(err);
            exit(EXIT_FAILURE);
        }
    }
}

static void generic_affinity_complete(UserCreatable *uc, Error **errp)
{
    static Notifier machine_done = {
        .notify = generic_affinity_machine_done,
    };
    AcpiGenericAffinity *ga = ACPI_GENERIC_AFFINITY(uc);
    MachineState *ms = MACHINE(qdev_get_machine());
    static bool notified;

    if (!ms->numa_state) {
        error_setg(errp, "%s '%s': machine type %s has no NUMA nodes",
                   object_get_typename(OBJECT(ga)), generic_affinity_id(ga),
                   MACHINE_GET_CLASS(ms)->name);
        return;
    }
    if (ga->node >= MAX_NODES) {
        error_setg(errp, "%s '%s': node %" PRIu32
                   " is not possible: the highest is %d",
                   object_get_typename(OBJECT(ga)), generic_affinity_id(ga),
                   ga->node, MAX_NODES - 1);
        return;
    }
    if (phase_check(PHASE_MACHINE_READY)) {
        if (!generic_affinity_check(ga, errp)) {
            return;
        }
    } else if (!notified) {
        qemu_add_machine_init_done_notifier(&machine_done);
        notified = true;
    }
    if (is_initiator(ga)) {
        /* -numa hmat-lb comes later and asks for this */
        ms->numa_state->nodes[ga->node].has_gi = true;
    }
}

static void generic_affinity_set_handle(Object *obj, const char *val,
                                        Error **errp)
{
    AcpiGenericAffinity *ga = ACPI_GENERIC_AFFINITY(obj);

    g_free(ga->handle);
    ga->handle = g_strdup(val);
}

static void generic_affinity_set_node(Object *obj, Visitor *v,
                                      const char *name, void *opaque,
                                      Error **errp)
{
    visit_type_uint32(v, name, &ACPI_GENERIC_AFFINITY(obj)->node, errp);
}

static void generic_affinity_init(Object *obj)
{
    static uint64_t created;
    AcpiGenericAffinity *ga = ACPI_GENERIC_AFFINITY(obj);

    ga->node = MAX_NODES;
    ga->order = created++;
}

static void generic_affinity_finalize(Object *obj)
{
    g_free(ACPI_GENERIC_AFFINITY(obj)->handle);
}

static void generic_affinity_class_init(ObjectClass *oc, void *data)
{
    USER_CREATABLE_CLASS(oc)->complete = generic_affinity_complete;
}

static void generic_initiator_class_init(ObjectClass *oc, void *data)
{
    AcpiGenericAffinityClass *gac = ACPI_GENERIC_AFFINITY_CLASS(oc);

    gac->handle_property = "pci-dev";
    gac->handle_type = TYPE_PCI_DEVICE;
    gac->handle_desc = "PCI device";
    object_class_property_add_str(oc, "pci-dev", NULL,
                                  generic_affinity_set_handle);
    object_class_property_set_description(oc, "pci-dev",
        "PCI device to associate with the node");
    object_class_property_add(oc, "node", "int", NULL,
                              generic_affinity_set_node, NULL, NULL);
    object_class_property_set_description(oc, "node",
        "NUMA node associated with the PCI device");
}

static void generic_port_class_init(ObjectClass *oc, void *data)
{
    AcpiGenericAffinityClass *gac = ACPI_GENERIC_AFFINITY_CLASS(oc);

    gac->handle_property = "pci-bus";
    gac->handle_type = TYPE_PXB_CXL_BUS;
    gac->handle_desc = "CXL host bridge bus";
    object_class_property_add_str(oc, "pci-bus", NULL,
                                  generic_affinity_set_handle);
    object_class_property_set_description(oc, "pci-bus",
       "PCI Bus of the host bridge associated with this GP affinity structure");
    object_class_property_add(oc, "node", "int", NULL,
                              generic_affinity_set_node, NULL, NULL);
    object_class_property_set_description(oc, "node",
       "The NUMA node like ID to index HMAT/SLIT NUMA properties involving GP");
}

static const TypeInfo generic_affinity_types[] = {
    {
        .name = TYPE_ACPI_GENERIC_AFFINITY,
        .parent = TYPE_OBJECT,
        .abstract = true,
        .instance_size = sizeof(AcpiGenericAffinity),
        .instance_init = generic_affinity_init,
        .instance_finalize = generic_affinity_finalize,
        .class_size = sizeof(AcpiGenericAffinityClass),
        .class_init = generic_affinity_class_init,
        .interfaces = (InterfaceInfo[]) { { TYPE_USER_CREATABLE }, { } },
    }, {
        .name = TYPE_ACPI_GENERIC_INITIATOR,
        .parent = TYPE_ACPI_GENERIC_AFFINITY,
        .class_init = generic_initiator_class_init,
    }, {
        .name = TYPE_ACPI_GENERIC_PORT,
        .parent = TYPE_ACPI_GENERIC_AFFINITY,
        .class_init = generic_port_class_init,
    },
};
DEFINE_TYPES(generic_affinity_types)

/* ACPI 6.5, 5.2.16.6: bus and devfn are those of now, as firmware left them */
static void build_generic_initiator(GArray *table_data,
                                    AcpiGenericAffinity *ga, PCIDevice *pdev)
{
    uint8_t bus = pci_dev_bus_num(pdev);

    build_srat_pci_generic_initiator(table_data, ga->node, 0, bus,
                                     pdev->devfn);
    trace_acpi_generic_initiator(generic_affinity_id(ga), ga->node, bus,
                                 PCI_SLOT(pdev->devfn), PCI_FUNC(pdev->devfn));
}

/* ACPI 6.5, 5.2.16.7 */
static void build_generic_port(GArray *table_data, AcpiGenericAffinity *ga,
                               Object *bus)
{
    uint32_t uid = object_property_get_uint(bus, "acpi_uid", &error_fatal);

    build_srat_acpi_generic_port(table_data, ga->node, "ACPI0016", uid);
    trace_acpi_generic_port(generic_affinity_id(ga), ga->node, uid);
}

static void build_generic_affinities(GArray *table_data, GPtrArray *list,
                                     bool initiators)
{
    for (guint i = 0; i < list->len; i++) {
        AcpiGenericAffinity *ga = g_ptr_array_index(list, i);
        Object *target;

        if (is_initiator(ga) != initiators) {
            continue;
        }
        target = generic_affinity_resolve(ga, NULL);
        if (!target || !generic_affinity_has_node(ga)) {
            trace_acpi_generic_affinity_skip(generic_affinity_id(ga),
                                             ga->handle ?: "", ga->node);
        } else if (initiators) {
            build_generic_initiator(table_data, ga, PCI_DEVICE(target));
        } else {
            build_generic_port(table_data, ga, target);
        }
    }
}

void build_srat_generic_affinity_structures(GArray *table_data)
{
    g_autoptr(GPtrArray) list = generic_affinity_list();

    build_generic_affinities(table_data, list, true);
    build_generic_affinities(table_data, list, false);
}

/* Without a search through all objects if the handle is a plain name */
static bool generic_initiator_is_of(AcpiGenericAffinity *ga, PCIDevice *pdev)
{
    if (!is_initiator(ga) || !ga->handle) {
        return false;
    }
    if (!strchr(ga->handle, '/')) {
        return !g_strcmp0(object_get_canonical_path_component(OBJECT(pdev)),
                          ga->handle);
    }
    return generic_affinity_resolve(ga, NULL) == OBJECT(pdev);
}

bool acpi_generic_initiator_nodes(PCIDevice *pdev, uint32_t *start,
                                  uint32_t *count)
{
    g_autoptr(GPtrArray) list = generic_affinity_list();
    DECLARE_BITMAP(nodes, MAX_NODES) = { 0 };

    for (guint i = 0; i < list->len; i++) {
        AcpiGenericAffinity *ga = g_ptr_array_index(list, i);

        if (generic_affinity_has_node(ga) &&
            generic_initiator_is_of(ga, pdev)) {
            set_bit(ga->node, nodes);
        }
    }
    *start = find_first_bit(nodes, MAX_NODES);
    *count = bitmap_count_one(nodes, MAX_NODES);
    return *count &&
           find_next_zero_bit(nodes, MAX_NODES, *start) == *start + *count;
}
