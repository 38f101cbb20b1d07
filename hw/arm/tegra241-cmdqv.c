/*
 * Tegra241 CMDQ-V: the device, its errors and interrupt
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "migration/vmstate.h"
#include "hw/irq.h"
#include "hw/resettable.h"
#include "tegra241-cmdqv.h"
#include "trace.h"

int tegra241_cmdqv_find_vcmdq(const Tegra241CMDQVState *s, unsigned vintf,
                              unsigned lvcmdq)
{
    for (unsigned q = 0; q < tegra241_cmdqv_num_vcmdqs(s); q++) {
        uint32_t alloc = s->vcmdq[q].alloc;

        if (FIELD_EX32(alloc, CMDQV_CMDQ_ALLOC, ALLOCATED) &&
            FIELD_EX32(alloc, CMDQV_CMDQ_ALLOC, VINTF) == vintf &&
            FIELD_EX32(alloc, CMDQV_CMDQ_ALLOC, LVCMDQ) == lvcmdq) {
            return q;
        }
    }
    return -1;
}

Tegra241VINTF *tegra241_cmdqv_vintf_of(Tegra241CMDQVState *s, unsigned q)
{
    return &s->vintf[FIELD_EX32(s->vcmdq[q].alloc, CMDQV_CMDQ_ALLOC, VINTF)];
}

bool tegra241_cmdqv_vcmdq_reachable(const Tegra241CMDQVState *s, unsigned q)
{
    uint32_t alloc = s->vcmdq[q].alloc;
    unsigned vintf = FIELD_EX32(alloc, CMDQV_CMDQ_ALLOC, VINTF);

    return FIELD_EX32(s->config, CMDQV_CONFIG, EN) &&
           FIELD_EX32(alloc, CMDQV_CMDQ_ALLOC, ALLOCATED) &&
           FIELD_EX32(s->vintf[vintf].config, VINTF_CONFIG, EN);
}

bool tegra241_cmdqv_size_ok(const Tegra241CMDQVState *s, unsigned q)
{
    return FIELD_EX64(s->vcmdq[q].base, VCMDQ_BASE, LOG2SIZE) <=
           FIELD_EX32(s->smmu->idr[1], IDR1, CMDQS);
}

bool tegra241_cmdqv_vcmdq_enabled(Tegra241CMDQVState *s, unsigned q)
{
    return FIELD_EX32(tegra241_cmdqv_get_page0(s, q, A_VCMDQ_STATUS),
                      VCMDQ_STATUS, ENABLED);
}

bool tegra241_cmdqv_vcmdq_in_error(Tegra241CMDQVState *s, unsigned q)
{
    return tegra241_cmdqv_get_page0(s, q, A_VCMDQ_GERROR) !=
           tegra241_cmdqv_get_page0(s, q, A_VCMDQ_GERRORN);
}

uint64_t tegra241_cmdqv_queue_addr(const Tegra241VCMDQ *vcmdq)
{
    uint64_t size = sizeof(Cmd) << FIELD_EX64(vcmdq->base, VCMDQ_BASE,
                                              LOG2SIZE);

    return vcmdq->base & R_VCMDQ_BASE_ADDR_MASK & ~(size - 1);
}

void tegra241_cmdqv_kick(Tegra241CMDQVState *s, unsigned q)
{
    if (tegra241_cmdqv_vcmdq_enabled(s, q) &&
        !tegra241_cmdqv_vcmdq_in_error(s, q)) {
        s->ops->consume(s, q);
    }
}

void tegra241_cmdqv_raise_irq(Tegra241CMDQVState *s, unsigned vintf)
{
    bool masked = extract32(s->vintf_int_mask[vintf / 32], vintf % 32, 1);

    trace_tegra241_cmdqv_irq(vintf, masked);
    if (!masked) {
        qemu_irq_pulse(s->irq);
    }
}

void tegra241_cmdqv_fail(Tegra241CMDQVState *s, unsigned q, SMMUCmdError err)
{
    Tegra241VCMDQ *vcmdq = &s->vcmdq[q];

    trace_tegra241_cmdqv_fail(q, err);
    vcmdq->cons = FIELD_DP32(vcmdq->cons, VCMDQ_CONS, ERR, err);
    if (vcmdq->gerror == vcmdq->gerrorn) {
        vcmdq->gerror ^= R_VCMDQ_GERROR_CMDQ_ERR_MASK;
    }
    tegra241_cmdqv_raise_irq(s, FIELD_EX32(vcmdq->alloc, CMDQV_CMDQ_ALLOC,
                                           VINTF));
}

bool tegra241_cmdqv_create(SMMUv3State *smmu, const Tegra241CMDQVOps *ops,
                           Tegra241CMDQVHost *host,
                           const Tegra241CMDQVParams *params, Error **errp)
{
    Tegra241CMDQVState *s;

    assert(params->log2_vintfs <= ctz32(CMDQV_MAX_VINTFS));
    assert(params->log2_vcmdqs <= ctz32(CMDQV_MAX_VCMDQS));
    assert(params->log2_sids <= ctz32(CMDQV_MAX_SIDS));
    assert(!smmu->s_cmdqv);

    s = TEGRA241_CMDQV(object_new(TYPE_TEGRA241_CMDQV));
    object_property_add_child(OBJECT(smmu), "cmdq-v", OBJECT(s));
    object_unref(OBJECT(s));
    s->smmu = smmu;
    s->ops = ops;
    s->host = host;
    s->params = *params;
    if (!sysbus_realize(SYS_BUS_DEVICE(s), errp)) {
        object_unparent(OBJECT(s));
        return false;
    }
    smmu->s_cmdqv = s;
    trace_tegra241_cmdqv_create(ops->name, params->log2_vintfs,
                                params->log2_vcmdqs, params->log2_sids);
    return true;
}

static void tegra241_cmdqv_realize(DeviceState *dev, Error **errp)
{
    Tegra241CMDQVState *s = TEGRA241_CMDQV(dev);

    if (!s->ops) {
        error_setg(errp, "%s is a part of an arm-smmuv3: use -device "
                   "arm-smmuv3,cmdqv=on", TYPE_TEGRA241_CMDQV);
        return;
    }
    tegra241_cmdqv_init_mmio(s);
    sysbus_init_mmio(SYS_BUS_DEVICE(s), &s->mmio);
    sysbus_init_irq(SYS_BUS_DEVICE(s), &s->irq);
}

static void tegra241_cmdqv_reset_hold(Object *obj, ResetType type)
{
    Tegra241CMDQVState *s = TEGRA241_CMDQV(obj);

    if (s->ops->release) {
        for (int q = tegra241_cmdqv_num_vcmdqs(s) - 1; q >= 0; q--) {
            s->ops->release(s, q);
        }
    }
    s->config = 0;
    memset(s->vintf_int_mask, 0, sizeof(s->vintf_int_mask));
    memset(s->vintf, 0, sizeof(s->vintf));
    memset(s->vcmdq, 0, sizeof(s->vcmdq));
    if (s->ops->update) {
        s->ops->update(s);
    }
}

static const VMStateDescription vmstate_tegra241_vcmdq = {
    .name = "tegra241-cmdqv/vcmdq",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT32(alloc, Tegra241VCMDQ),
        VMSTATE_UINT32(cons, Tegra241VCMDQ),
        VMSTATE_UINT32(prod, Tegra241VCMDQ),
        VMSTATE_UINT32(config, Tegra241VCMDQ),
        VMSTATE_UINT32(gerror, Tegra241VCMDQ),
        VMSTATE_UINT32(gerrorn, Tegra241VCMDQ),
        VMSTATE_UINT64(base, Tegra241VCMDQ),
        VMSTATE_UINT64(cons_indx_base, Tegra241VCMDQ),
        VMSTATE_END_OF_LIST()
    },
};

static const VMStateDescription vmstate_tegra241_vintf = {
    .name = "tegra241-cmdqv/vintf",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT32(config, Tegra241VINTF),
        VMSTATE_UINT32_ARRAY(sid_match, Tegra241VINTF, CMDQV_MAX_SIDS),
        VMSTATE_UINT32_ARRAY(sid_replace, Tegra241VINTF, CMDQV_MAX_SIDS),
        VMSTATE_END_OF_LIST()
    },
};

/* With queues of the host, the SMMU's accel=on blocks migration */
static const VMStateDescription vmstate_tegra241_cmdqv = {
    .name = TYPE_TEGRA241_CMDQV,
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT32(config, Tegra241CMDQVState),
        VMSTATE_UINT32_ARRAY(vintf_int_mask, Tegra241CMDQVState, 2),
        VMSTATE_STRUCT_ARRAY(vintf, Tegra241CMDQVState, CMDQV_MAX_VINTFS, 1,
                             vmstate_tegra241_vintf, Tegra241VINTF),
        VMSTATE_STRUCT_ARRAY(vcmdq, Tegra241CMDQVState, CMDQV_MAX_VCMDQS, 1,
                             vmstate_tegra241_vcmdq, Tegra241VCMDQ),
        VMSTATE_END_OF_LIST()
    },
};

static void tegra241_cmdqv_class_init(ObjectClass *klass, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);

    dc->desc = "Tegra241 CMDQ-V of an arm-smmuv3";
    dc->realize = tegra241_cmdqv_realize;
    dc->vmsd = &vmstate_tegra241_cmdqv;
    /* made by its SMMU only */
    dc->user_creatable = false;
    RESETTABLE_CLASS(klass)->phases.hold = tegra241_cmdqv_reset_hold;
}

static const TypeInfo tegra241_cmdqv_info = {
    .name = TYPE_TEGRA241_CMDQV,
    .parent = TYPE_SYS_BUS_DEVICE,
    .instance_size = sizeof(Tegra241CMDQVState),
    .class_init = tegra241_cmdqv_class_init,
};

static void tegra241_cmdqv_register_types(void)
{
    type_register_static(&tegra241_cmdqv_info);
}

type_init(tegra241_cmdqv_register_types)
