/*
 * Accelerated SMMUv3: the host SMMU walks the guest's stage 1
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Split by concern:
 *   smmuv3-accel.c       the device's life, and that of the assigned devices
 *   smmuv3-accel-ste.c   what a guest's stream table entry is in the host
 *   smmuv3-accel-cmdq.c  the guest's commands that the host has to see
 *   smmuv3-accel-caps.c  what the guest is promised, and can the host back it
 *   smmuv3-accel-events.c  faults that the host sees
 *
 * All of it runs under the BQL.  "The arch" below is the Arm System Memory
 * Management Unit Architecture Specification, SMMUv3 (IHI 0070).
 */

#ifndef HW_ARM_SMMUV3_ACCEL_H
#define HW_ARM_SMMUV3_ACCEL_H

#include "hw/arm/smmuv3.h"
#include "smmuv3-internal.h"
#include "system/iommufd-viommu.h"

struct iommu_hw_info_arm_smmuv3;

/*
 * Commands that may wait for a flush.  A guest that unmaps with one command a
 * page sends a few dozen between two CMD_SYNCs.
 */
#define SMMUV3_ACCEL_BATCH_MAX  256

/* An invalidation as the kernel takes it (data type ARM_SMMUV3) */
typedef struct SMMUv3AccelCmd {
    uint64_t word[2];           /* little-endian */
} SMMUv3AccelCmd;

/* Commands consumed from the guest's queue that the host has not seen yet */
typedef struct SMMUv3AccelBatch {
    uint32_t len;
    SMMUv3AccelCmd cmd[SMMUV3_ACCEL_BATCH_MAX];
    uint32_t cons[SMMUV3_ACCEL_BATCH_MAX];  /* CMDQ_CONS at each of them */
} SMMUv3AccelBatch;

/* The part of a valid stage 1 STE that a nested HWPT carries (the arch, 5.2) */
typedef struct SMMUv3AccelVSTE {
    uint64_t word[2];           /* host-endian */
} SMMUv3AccelVSTE;

/*
 * An assigned device behind the SMMU.  iommufd ids are never 0, which stands
 * for "none" here.
 */
typedef struct SMMUv3AccelDevice {
    SMMUv3State *smmu;
    PCIBus *bus;
    int devfn;
    HostIOMMUDeviceIOMMUFD *idev;   /* a reference is held */
    uint32_t hwpt_id;           /* what it is attached to */
    uint32_t s1_hwpt_id;        /* its own nested HWPT, if it has one */
    SMMUv3AccelVSTE s1_vste;    /* what @s1_hwpt_id was made of */
    uint32_t vdev_id;
    uint32_t vsid;              /* the StreamID that @vdev_id was made for */
    QLIST_ENTRY(SMMUv3AccelDevice) next;
} SMMUv3AccelDevice;

/* What the guest's ID registers say, beyond the emulated SMMU's */
typedef struct SMMUv3AccelFeatures {
    bool resolved;              /* from a host: every auto has its value */
    bool ats;                   /* IDR0.ATS */
    bool cd2l;                  /* IDR0.CD2L */
    bool ril;                   /* IDR3.RIL */
    uint8_t bbml;               /* IDR3.BBML */
    bool gran16k, gran64k;      /* IDR5.GRAN16K, IDR5.GRAN64K */
    uint8_t ssidsize;           /* IDR1.SSIDSIZE, bits */
    uint8_t oas;                /* IDR5.OAS, as encoded there */
} SMMUv3AccelFeatures;

/* The events of all devices, from the host */
typedef struct SMMUv3AccelVEventq {
    uint32_t id;                /* 0: none */
    int fd;
    uint32_t next_sequence;     /* of the next event, if none is lost */
} SMMUv3AccelVEventq;

/*
 * What an extension of the host SMMU adds to an accelerated one.  All of it is
 * called with the SMMU that has set SMMUv3AccelState.ext.
 */
typedef struct SMMUv3AccelExtOps {
    /**
     * check_host: can the host SMMU of a device back the extension?
     *
     * @info: what the host's ID registers say
     * The first cold-plugged device resolves a property that is auto, and may
     * change what set_idr() does.
     *
     * Returns: true if so, or if the vSMMU goes without the extension; false
     * with @errp set otherwise.
     */
    bool (*check_host)(SMMUv3State *s, HostIOMMUDeviceIOMMUFD *idev,
                       const struct iommu_hw_info_arm_smmuv3 *info,
                       Error **errp);

    /* Lay the extension over the ID registers */
    void (*set_idr)(SMMUv3State *s);

    /* Which property of the extension still waits for a host, or NULL */
    const char *(*unresolved_property)(SMMUv3State *s);

    /* Allocate the vIOMMU, of the type that the extension needs */
    bool (*alloc_viommu)(SMMUv3State *s, HostIOMMUDeviceIOMMUFD *idev,
                         uint32_t *viommu_id, Error **errp);

    /* Give back what rests upon the vIOMMU, which is freed then */
    void (*stop)(SMMUv3State *s);
} SMMUv3AccelExtOps;

/* The host's objects exist from the first assigned device to the last */
struct SMMUv3AccelState {
    const SMMUv3AccelExtOps *ext;   /* NULL: the architecture's SMMU */
    IOMMUFDBackend *iommufd;
    uint32_t s2_hwpt_id;        /* nesting parent, owned by vfio */
    uint32_t viommu_id;
    uint32_t bypass_hwpt_id;
    uint32_t abort_hwpt_id;
    QLIST_HEAD(, SMMUv3AccelDevice) devices;
    SMMUv3AccelBatch batch;
    SMMUv3AccelVEventq veventq;
    SMMUv3AccelFeatures features;
    Error *migration_blocker;
    Notifier machine_done;
    SMMUv3State *smmu;
};

/**
 * smmuv3_accel_init: make an SMMU with accel=on an accelerated one
 *
 * To be called before the SMMU is put before its bus.
 *
 * Returns: true on success; false with @errp set otherwise.
 */
bool smmuv3_accel_init(SMMUv3State *s, Error **errp);

/**
 * smmuv3_accel_check_bus: refuse endpoints that were there before the SMMU
 *
 * Returns: true if there are none; false with @errp set otherwise.
 */
bool smmuv3_accel_check_bus(SMMUv3State *s, Error **errp);

/**
 * smmuv3_accel_reset: follow the SMMU's registers into reset
 *
 * Bus numbers, and thus StreamIDs, are not known any more.
 */
void smmuv3_accel_reset(SMMUv3State *s);

/* Start from the properties; those that are auto wait for a host */
void smmuv3_accel_init_features(SMMUv3State *s);

/* The name of a property that still waits for a host, or NULL */
const char *smmuv3_accel_unresolved_property(SMMUv3State *s);

/* Lay the features over the emulated SMMU's ID registers */
void smmuv3_accel_set_idr(SMMUv3State *s);

/**
 * smmuv3_accel_update_veventq: have a vEVENTQ while the guest's event queue
 * is enabled and there is a vIOMMU, and none otherwise
 */
void smmuv3_accel_update_veventq(SMMUv3State *s);

/**
 * smmuv3_accel_check_host: can the host SMMU of a device back this vSMMU?
 *
 * The first cold-plugged device resolves the properties that are auto.  Then
 * what the guest reads in the ID registers is compared with the host's, field
 * by field (the arch, 6.3.1 to 6.3.6).
 *
 * Returns: true if so; false with @errp naming the field otherwise.
 */
bool smmuv3_accel_check_host(SMMUv3State *s, HostIOMMUDeviceIOMMUFD *idev,
                             Error **errp);

/**
 * smmuv3_accel_sync_device: bring the host in step with the guest's
 * configuration of a device
 *
 * Follows SMMUEN, GBPA and the stream table.  Where the guest's configuration
 * is invalid, or the host refuses it, the device's DMA is aborted; should the
 * host refuse even that, it stays attached where it was.  Pending commands
 * must have been flushed.
 */
void smmuv3_accel_sync_device(SMMUv3AccelDevice *dev);

/* The same for all devices, e.g. after SMMUEN or GBPA has changed */
void smmuv3_accel_sync_all(SMMUv3State *s);

/**
 * smmuv3_accel_release_device: undo what smmuv3_accel_sync_device() did
 *
 * Leaves the device attached to @hwpt_id.
 */
void smmuv3_accel_release_device(SMMUv3AccelDevice *dev, uint32_t hwpt_id);

/**
 * smmuv3_accel_alloc_nested_hwpt: a nested HWPT for a vSTE
 *
 * @dev_id: any device behind the host SMMU
 *
 * Returns: true on success, with an id that the caller has to free; false
 * with @errp set otherwise.
 */
bool smmuv3_accel_alloc_nested_hwpt(SMMUv3AccelState *accel, uint32_t dev_id,
                                    const SMMUv3AccelVSTE *vste,
                                    uint32_t *hwpt_id, Error **errp);

/* vSTEs that bypass stage 1, and that abort all transactions */
SMMUv3AccelVSTE smmuv3_accel_bypass_vste(void);
SMMUv3AccelVSTE smmuv3_accel_abort_vste(void);

/* The device that the guest knows as @sid, or NULL */
SMMUv3AccelDevice *smmuv3_accel_find_device(SMMUv3State *s, uint32_t sid);

/* The StreamID of a device as the guest has numbered the buses by now */
uint32_t smmuv3_accel_device_sid(const SMMUv3AccelDevice *dev);

/**
 * smmuv3_accel_command: let the host see a command that the vSMMU has accepted
 *
 * Invalidations wait for smmuv3_accel_flush(); a change of configuration
 * flushes those before it and takes effect at once.
 *
 * Returns: SMMU_CERROR_NONE; or the error of a command, this or an earlier
 * one, to which CMDQ_CONS then points.
 */
SMMUCmdError smmuv3_accel_command(SMMUv3State *s, Cmd *cmd);

/**
 * smmuv3_accel_flush: hand all waiting invalidations to the host
 *
 * When it returns, the host has completed them, as CMD_SYNC requires.
 *
 * Returns: as smmuv3_accel_command().  The commands before the one that
 * failed have taken effect.
 */
SMMUCmdError smmuv3_accel_flush(SMMUv3State *s);

#endif
