/*
 * Where the virt machine has its ITS, with and without an accelerated SMMUv3
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What is at an address is told by a register that nothing else would have
 * there: the type of the first table of an ITS, and the distributor's
 * implementer.
 */

#include "qemu/osdep.h"
#include "libqtest.h"

#define MACHINE     "-cpu cortex-a57 -M "
#define SMMU        " -device pxb-pcie,id=pcie.1,bus_nr=8,bus=pcie.0" \
                    " -device arm-smmuv3,primary-bus=pcie.1"
#define ACCEL       ",accel=on,ats=off,ril=on,ssidsize=0,oas=44"

#define GITS_BASER0             0x100
#define GITS_BASER_TYPE_SHIFT   56
#define GITS_BASER_TYPE_MASK    7
#define GITS_BASER_TYPE_DEVICE  1
#define GICD_IIDR               0x8
#define GICD_IIDR_ARM           0x43b

/* The usual places, and those with the ITS's second frame at 0x8000000 */
#define ITS_USUAL   0x08080000
#define ITS_MOVED   0x07ff0000
#define DIST_USUAL  0x08000000
#define DIST_MOVED  0x08080000
/* The last sector of the flash that a guest is told of, and the one after it */
#define FLASH_LAST  0x07f80000

typedef struct DoorbellCase {
    const char *name;
    const char *args;
    uint64_t its;               /* 0: none */
    uint64_t dist;
} DoorbellCase;

static const DoorbellCase doorbell_cases[] = {
    { "no-smmu", MACHINE "virt,gic-version=3", ITS_USUAL, DIST_USUAL },
    { "machine-smmu", MACHINE "virt,gic-version=3,iommu=smmuv3", ITS_USUAL,
      DIST_USUAL },
    { "plain", MACHINE "virt,gic-version=3" SMMU, ITS_USUAL, DIST_USUAL },
    { "accel", MACHINE "virt,gic-version=3" SMMU ACCEL, ITS_MOVED,
      DIST_MOVED },
    { "two-accel", MACHINE "virt,gic-version=3" SMMU ACCEL
      " -device pxb-pcie,id=pcie.2,bus_nr=16,bus=pcie.0"
      " -device arm-smmuv3,primary-bus=pcie.2" ACCEL, ITS_MOVED, DIST_MOVED },
    { "plain-then-accel", MACHINE "virt,gic-version=3" SMMU
      " -device pxb-pcie,id=pcie.2,bus_nr=16,bus=pcie.0"
      " -device arm-smmuv3,primary-bus=pcie.2" ACCEL, ITS_MOVED, DIST_MOVED },
    { "secure", MACHINE "virt,gic-version=3,secure=on" SMMU ACCEL, ITS_MOVED,
      DIST_MOVED },
    { "old-machine", MACHINE "virt-9.2,gic-version=3" SMMU ACCEL, ITS_MOVED,
      DIST_MOVED },
    { "its-off", MACHINE "virt,gic-version=3,its=off" SMMU ACCEL, 0,
      DIST_USUAL },
};

static bool is_its(QTestState *qts, uint64_t base)
{
    uint64_t baser = qtest_readq(qts, base + GITS_BASER0);

    return (baser >> GITS_BASER_TYPE_SHIFT & GITS_BASER_TYPE_MASK) ==
           GITS_BASER_TYPE_DEVICE;
}

static bool is_dist(QTestState *qts, uint64_t base)
{
    return qtest_readl(qts, base + GICD_IIDR) == GICD_IIDR_ARM;
}

static void check_places(QTestState *qts, const DoorbellCase *c)
{
    g_assert_true(is_dist(qts, c->dist));
    if (c->its) {
        g_assert_true(is_its(qts, c->its));
    }
    if (c->its != ITS_MOVED) {
        g_assert_false(is_its(qts, ITS_MOVED));
        g_assert_false(is_dist(qts, DIST_MOVED));
    } else {
        g_assert_false(is_its(qts, ITS_USUAL));
        g_assert_false(is_dist(qts, DIST_USUAL));
    }
    /* erased or absent flash, but flash */
    g_assert_false(is_its(qts, FLASH_LAST));
}

static void test_places(const void *data)
{
    const DoorbellCase *c = data;
    QTestState *qts = qtest_init(c->args);

    check_places(qts, c);
    qtest_system_reset(qts);
    check_places(qts, c);
    qtest_quit(qts);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (int i = 0; i < ARRAY_SIZE(doorbell_cases); i++) {
        g_autofree char *path = g_strdup_printf("/arm-virt-msi-doorbell/%s",
                                                doorbell_cases[i].name);

        qtest_add_data_func(path, &doorbell_cases[i], test_places);
    }
    return g_test_run();
}
