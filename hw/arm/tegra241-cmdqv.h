/*
 * Tegra241 CMDQ-V: command queues beside the one of an SMMUv3
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One register model for two uses, which differ in who consumes the queues:
 *
 *   emulated   the emulated SMMUv3; this is the hardware of an emulated host,
 *              which can give VINTFs to its guests
 *   assigned   the host's CMDQ-V, where it can; otherwise the vSMMU
 *
 * Split by concern:
 *   tegra241-cmdqv.c        the device, its errors and interrupt
 *   tegra241-cmdqv-regs.c   the registers
 *   tegra241-cmdqv-mmio.c   which register an access goes to
 *   tegra241-cmdqv-emul.c   queues that the SMMUv3 device consumes
 *   tegra241-cmdqv-host.c   queues of the host
 *   smmuv3-cmdqv.c          how an SMMUv3 comes to have one
 *   smmuv3-cmdqv-accel.c    how an accelerated one does
 *
 * All of it runs under the BQL.
 */

#ifndef HW_ARM_TEGRA241_CMDQV_H
#define HW_ARM_TEGRA241_CMDQV_H

#include "hw/arm/smmuv3.h"
#include "hw/sysbus.h"
#include "qom/object.h"
#include "smmuv3-internal.h"
#include "tegra241-cmdqv-regs.h"

#define TYPE_TEGRA241_CMDQV "tegra241-cmdqv"
OBJECT_DECLARE_SIMPLE_TYPE(Tegra241CMDQVState, TEGRA241_CMDQV)

/* The assigned backend's state */
typedef struct Tegra241CMDQVHost Tegra241CMDQVHost;

/* A VCMDQ: its registers, by their names */
typedef struct Tegra241VCMDQ {
    uint32_t alloc;
    uint32_t cons;
    uint32_t prod;
    uint32_t config;
    uint32_t gerror;
    uint32_t gerrorn;
    uint64_t base;
    uint64_t cons_indx_base;
} Tegra241VCMDQ;

/* A VINTF: its registers, by their names */
typedef struct Tegra241VINTF {
    uint32_t config;
    uint32_t sid_match[CMDQV_MAX_SIDS];
    uint32_t sid_replace[CMDQV_MAX_SIDS];
} Tegra241VINTF;

/* What PARAM tells: how much of everything there is */
typedef struct Tegra241CMDQVParams {
    uint8_t version;
    uint8_t log2_vcmdqs;
    uint8_t log2_vintfs;
    uint8_t log2_sids;          /* for each VINTF */
} Tegra241CMDQVParams;

/*
 * Who consumes the queues.  @q numbers a VCMDQ among all of the device.
 */
typedef struct Tegra241CMDQVOps {
    const char *name;

    /* A guest's: HYP_OWN is wired to 0, and the host translates StreamIDs */
    bool guest_owned;

    /* There may be commands in @q, which is enabled and not in error */
    void (*consume)(Tegra241CMDQVState *s, unsigned q);

    /*
     * The rest is optional.  The backend may own the page 0 registers of a
     * queue; those of the Tegra241VCMDQ are then not in use.
     */

    /* Both return false if the registers of @q are not the backend's */
    bool (*read_page0)(Tegra241CMDQVState *s, unsigned q, hwaddr reg,
                       uint32_t *value);
    bool (*write_page0)(Tegra241CMDQVState *s, unsigned q, hwaddr reg,
                        uint32_t value);

    /* Something that @q rests upon will change: give back its registers */
    void (*release)(Tegra241CMDQVState *s, unsigned q);

    /* Configuration has changed: the backend may take queues that are ready */
    void (*update)(Tegra241CMDQVState *s);
} Tegra241CMDQVOps;

struct Tegra241CMDQVState {
    SysBusDevice parent_obj;

    MemoryRegion mmio;
    qemu_irq irq;
    SMMUv3State *smmu;          /* its owner */
    const Tegra241CMDQVOps *ops;
    Tegra241CMDQVHost *host;    /* NULL unless the backend is "assigned" */
    Tegra241CMDQVParams params;

    uint32_t config;
    uint32_t vintf_int_mask[2];
    Tegra241VINTF vintf[CMDQV_MAX_VINTFS];
    Tegra241VCMDQ vcmdq[CMDQV_MAX_VCMDQS];
};

/* A register, or an array of them */
typedef struct CMDQVReg {
    const char *name;           /* NULL: end of the table */
    hwaddr offset;              /* in its block */
    uint8_t size;               /* bytes */
    uint8_t num;                /* of them, one after the other */
    uint64_t mask;              /* bits that a guest can change */
    /*
     * @block: which VINTF or VCMDQ, @n: which of @num
     * A write brings the bits outside @mask as they were.
     */
    uint64_t (*read)(Tegra241CMDQVState *s, unsigned block, unsigned n);
    void (*write)(Tegra241CMDQVState *s, unsigned block, unsigned n,
                  uint64_t value);
} CMDQVReg;

extern const CMDQVReg tegra241_cmdqv_config_regs[];
extern const CMDQVReg tegra241_cmdqv_vintf_regs[];
extern const CMDQVReg tegra241_cmdqv_vcmdq_page0_regs[];
extern const CMDQVReg tegra241_cmdqv_vcmdq_page1_regs[];

/**
 * tegra241_cmdqv_create: give an SMMU a CMDQ-V
 *
 * The device becomes a child of @smmu, @smmu->s_cmdqv.  It is not mapped.
 *
 * @host: the assigned backend's state, or NULL; the device's on success
 *
 * Returns: true on success; false with @errp set otherwise.
 */
bool tegra241_cmdqv_create(SMMUv3State *smmu, const Tegra241CMDQVOps *ops,
                           Tegra241CMDQVHost *host,
                           const Tegra241CMDQVParams *params, Error **errp);

/* The emulated backend */
extern const Tegra241CMDQVOps tegra241_cmdqv_emul_ops;

static inline unsigned tegra241_cmdqv_num_vintfs(const Tegra241CMDQVState *s)
{
    return 1u << s->params.log2_vintfs;
}

static inline unsigned tegra241_cmdqv_num_vcmdqs(const Tegra241CMDQVState *s)
{
    return 1u << s->params.log2_vcmdqs;
}

static inline unsigned tegra241_cmdqv_num_sids(const Tegra241CMDQVState *s)
{
    return 1u << s->params.log2_sids;
}

/* Set up the register pages; called once */
void tegra241_cmdqv_init_mmio(Tegra241CMDQVState *s);

/* The VCMDQ that is LVCMDQ @lvcmdq of VINTF @vintf, or -1 */
int tegra241_cmdqv_find_vcmdq(const Tegra241CMDQVState *s, unsigned vintf,
                              unsigned lvcmdq);

/* The VINTF that @q is allocated to */
Tegra241VINTF *tegra241_cmdqv_vintf_of(Tegra241CMDQVState *s, unsigned q);

/* Page 0 register @reg of @q, wherever it is by now; no side effects */
uint32_t tegra241_cmdqv_get_page0(Tegra241CMDQVState *s, unsigned q,
                                  hwaddr reg);

/* Is @q allocated to a VINTF, and are that and the CMDQ-V enabled? */
bool tegra241_cmdqv_vcmdq_reachable(const Tegra241CMDQVState *s, unsigned q);

/* Is LOG2SIZE of @q within the SMMU's IDR1.CMDQS? */
bool tegra241_cmdqv_size_ok(const Tegra241CMDQVState *s, unsigned q);

/* What STATUS.ENABLED says: are commands of @q consumed, unless in error? */
bool tegra241_cmdqv_vcmdq_enabled(Tegra241CMDQVState *s, unsigned q);

/* GERROR has an error that GERRORN does not acknowledge */
bool tegra241_cmdqv_vcmdq_in_error(Tegra241CMDQVState *s, unsigned q);

/* Address of the queue, aligned to its size as in CMDQ_BASE of an SMMU */
uint64_t tegra241_cmdqv_queue_addr(const Tegra241VCMDQ *vcmdq);

/* Consume what is in @q, if it is enabled and not in error */
void tegra241_cmdqv_kick(Tegra241CMDQVState *s, unsigned q);

/**
 * tegra241_cmdqv_fail: stop a queue with an error
 *
 * For a queue whose registers are not the backend's.  GERROR.CMDQ_ERR and
 * CONS.ERR tell the guest, and so do the error maps and the interrupt.
 */
void tegra241_cmdqv_fail(Tegra241CMDQVState *s, unsigned q, SMMUCmdError err);

/* Pulse the interrupt for an error in VINTF @vintf, unless it is masked */
void tegra241_cmdqv_raise_irq(Tegra241CMDQVState *s, unsigned vintf);

/**
 * tegra241_cmdqv_consume: let the SMMUv3 device consume the commands of @q
 *
 * A VINTF that is not the hypervisor's is kept to the commands that hardware
 * admits, to its VMID and to its StreamIDs.
 */
void tegra241_cmdqv_consume(Tegra241CMDQVState *s, unsigned q);

/**
 * smmuv3_cmdqv_realize: honour the cmdqv property as far as it can be when an
 * SMMU is realized
 *
 * Returns: true on success; false with @errp set otherwise.
 */
bool smmuv3_cmdqv_realize(SMMUv3State *s, Error **errp);

/* Its part for an SMMU with accel=on, and a cmdqv that is not off */
bool smmuv3_cmdqv_realize_accel(SMMUv3State *s, Error **errp);

#endif
