/*
 * Accelerated SMMUv3: faults that the host sees
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The kernel queues the event records of assigned devices, with the guest's
 * StreamID in them.  They go to the guest's event queue as they are.  What
 * does not fit there, or did not fit in the kernel's queue, is what the arch
 * calls an overflow (7.4): events are lost, and the guest learns just that.
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/main-loop.h"
#include "smmuv3-accel.h"
#include "trace.h"
#include <linux/iommufd.h>

/* Events to read in one call */
#define SMMUV3_ACCEL_EVENTS_READ    64

/* Sequence numbers wrap here (struct iommufd_vevent_header) */
#define VEVENT_SEQUENCE_MASK        INT_MAX

typedef struct SMMUv3AccelVEvent {
    struct iommufd_vevent_header header;
    struct iommu_vevent_arm_smmuv3 data;
} SMMUv3AccelVEvent;

/* EVENTQ_PROD.OVFLG differs from EVENTQ_CONS.OVACKFLG until it is seen */
static void smmuv3_accel_events_lost(SMMUv3State *s, const char *where)
{
    SMMUQueue *q = &s->eventq;

    trace_smmuv3_accel_events_lost(where);
    if (!((q->prod ^ q->cons) & EVT_Q_OVERFLOW)) {
        q->prod ^= EVT_Q_OVERFLOW;
        smmuv3_trigger_irq(s, SMMU_IRQ_EVTQ, 0);
    }
}

static void smmuv3_accel_record_event(SMMUv3State *s,
                                      const struct iommu_vevent_arm_smmuv3 *ev)
{
    bool written;
    Evt evt;

    for (int i = 0; i < ARRAY_SIZE(ev->evt); i++) {
        uint64_t word = le64_to_cpu(ev->evt[i]);

        evt.word[2 * i] = word;
        evt.word[2 * i + 1] = word >> 32;
    }
    if (smmuv3_q_full(&s->eventq)) {
        smmuv3_accel_events_lost(s, "guest's");
        return;
    }
    written = smmuv3_write_eventq(s, &evt) == MEMTX_OK;
    if (!written) {
        smmuv3_trigger_irq(s, SMMU_IRQ_GERROR, R_GERROR_EVENTQ_ABT_ERR_MASK);
    }
    trace_smmuv3_accel_event(extract32(evt.word[0], 0, 8), evt.word[1],
                             written);
}

/* Returns how many of the @size bytes at @buf made up a whole record */
static size_t smmuv3_accel_take_event(SMMUv3State *s, const uint8_t *buf,
                                      size_t size)
{
    SMMUv3AccelVEventq *veventq = &s->s_accel->veventq;
    SMMUv3AccelVEvent event;
    bool data_follows;

    if (size < sizeof(event.header)) {
        return 0;
    }
    memcpy(&event.header, buf, sizeof(event.header));
    data_follows = !(event.header.flags & IOMMU_VEVENTQ_FLAG_LOST_EVENTS);
    if (data_follows && size < sizeof(event)) {
        return 0;
    }
    if (!data_follows || event.header.sequence != veventq->next_sequence) {
        smmuv3_accel_events_lost(s, "host's");
    }
    veventq->next_sequence = (event.header.sequence + 1) &
                             VEVENT_SEQUENCE_MASK;
    if (!data_follows) {
        return sizeof(event.header);
    }
    memcpy(&event.data, buf + sizeof(event.header), sizeof(event.data));
    smmuv3_accel_record_event(s, &event.data);
    return sizeof(event);
}

static void smmuv3_accel_read_events(void *opaque)
{
    SMMUv3State *s = opaque;
    SMMUv3AccelVEventq *veventq = &s->s_accel->veventq;
    uint8_t buf[SMMUV3_ACCEL_EVENTS_READ * sizeof(SMMUv3AccelVEvent)];
    ssize_t len = RETRY_ON_EINTR(read(veventq->fd, buf, sizeof(buf)));
    size_t taken;

    if (len < 0 && errno == EAGAIN) {
        return;
    }
    for (ssize_t pos = 0; pos < len; pos += taken) {
        taken = smmuv3_accel_take_event(s, buf + pos, len - pos);
        if (!taken) {
            len = -1;
        }
    }
    if (len < 0) {
        /* not a stream of events any more: do not come back for it */
        trace_smmuv3_accel_host_error("vEVENTQ", strerror(errno));
        qemu_set_fd_handler(veventq->fd, NULL, NULL, NULL);
    }
}

static void smmuv3_accel_alloc_veventq(SMMUv3State *s)
{
    SMMUv3AccelState *accel = s->s_accel;
    SMMUv3AccelVEventq *veventq = &accel->veventq;
    Error *err = NULL;

    if (!iommufd_backend_alloc_veventq(accel->iommufd, accel->viommu_id,
                                       IOMMU_VEVENTQ_TYPE_ARM_SMMUV3,
                                       1u << s->eventq.log2size, &veventq->id,
                                       &veventq->fd, &err)) {
        trace_smmuv3_accel_host_error("vEVENTQ", error_get_pretty(err));
        error_free(err);
        return;
    }
    veventq->next_sequence = 0;
    qemu_set_fd_handler(veventq->fd, smmuv3_accel_read_events, NULL, s);
    trace_smmuv3_accel_veventq(true);
}

static void smmuv3_accel_free_veventq(SMMUv3AccelState *accel)
{
    SMMUv3AccelVEventq *veventq = &accel->veventq;

    qemu_set_fd_handler(veventq->fd, NULL, NULL, NULL);
    iommufd_backend_free_veventq(accel->iommufd, veventq->id, veventq->fd);
    veventq->id = 0;
    trace_smmuv3_accel_veventq(false);
}

void smmuv3_accel_update_veventq(SMMUv3State *s)
{
    SMMUv3AccelState *accel = s->s_accel;
    bool wanted;

    if (!accel) {
        return;
    }
    wanted = accel->viommu_id && smmuv3_eventq_enabled(s);
    if (wanted && !accel->veventq.id) {
        smmuv3_accel_alloc_veventq(s);
    } else if (!wanted && accel->veventq.id) {
        smmuv3_accel_free_veventq(accel);
    }
}
