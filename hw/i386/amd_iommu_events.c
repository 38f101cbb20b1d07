/*
 * AMD IOMMU: the event log, and the interrupt that goes with it
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Events are records of two quadwords in a ring in guest memory (2.5).  The
 * log is complete up to an overflow, which the guest has to clear before it
 * goes on.
 */

#include "qemu/osdep.h"
#include "block/aio.h"
#include "exec/address-spaces.h"
#include "hw/i386/apic_internal.h"
#include "hw/registerfields.h"
#include "qemu/main-loop.h"
#include "amd_iommu_dma_remap.h"
#include "trace.h"

/* First quadword of an event record (2.5.1 and following) */
REG64(EVENT, 0)
    FIELD(EVENT, DEVID, 0, 16)
    FIELD(EVENT, DOMID, 32, 16)
    FIELD(EVENT, I, 51, 1)          /* an interrupt request */
    FIELD(EVENT, PR, 52, 1)         /* the entry is present */
    FIELD(EVENT, RW, 53, 1)         /* a write */
    FIELD(EVENT, PE, 54, 1)         /* a permission is missing */
    FIELD(EVENT, RZ, 55, 1)         /* a reserved bit is set */
    FIELD(EVENT, HW_TYPE, 57, 2)
    FIELD(EVENT, REQUEST_TYPE, 57, 3)
    FIELD(EVENT, CODE, 60, 4)

/* EVENT.HW_TYPE: nothing answers at the address */
#define HW_TYPE_MASTER_ABORT    1

typedef enum EventCode {
    EVENT_ILLEGAL_DEV_TABLE_ENTRY = 1,
    EVENT_IO_PAGE_FAULT = 2,
    EVENT_DEV_TAB_HARDWARE_ERROR = 3,
    EVENT_PAGE_TAB_HARDWARE_ERROR = 4,
    EVENT_ILLEGAL_COMMAND_ERROR = 5,
    EVENT_COMMAND_HARDWARE_ERROR = 6,
    EVENT_INVALID_DEVICE_REQUEST = 8,
} EventCode;

/* MMIO offset 2020h (3.4.14) */
REG64(STATUS, 0x2020)
    FIELD(STATUS, EVT_OVERFLOW, 0, 1)
    FIELD(STATUS, EVT_INT, 1, 1)
    FIELD(STATUS, COMWAIT_INT, 2, 1)
    FIELD(STATUS, EVT_RUN, 3, 1)
    FIELD(STATUS, CMDBUF_RUN, 4, 1)
    FIELD(STATUS, PPR_OVERFLOW, 5, 1)
    FIELD(STATUS, PPR_INT, 6, 1)

#define STATUS_RW1C (R_STATUS_EVT_OVERFLOW_MASK | R_STATUS_EVT_INT_MASK | \
                     R_STATUS_COMWAIT_INT_MASK | R_STATUS_PPR_OVERFLOW_MASK | \
                     R_STATUS_PPR_INT_MASK)

/* MMIO offset 18h (3.4.3) */
REG64(CONTROL, 0x18)
    FIELD(CONTROL, INT_CAP_XT_EN, 51, 1)

/* MMIO offset 170h, for events and completion waits (3.4.12) */
REG64(XT_INTERRUPT, 0x170)
    FIELD(XT_INTERRUPT, DEST_MODE, 2, 1)
    FIELD(XT_INTERRUPT, DEST_LOW, 8, 24)
    FIELD(XT_INTERRUPT, VECTOR, 32, 8)
    FIELD(XT_INTERRUPT, DELIVERY_MODE, 40, 1)
    FIELD(XT_INTERRUPT, DEST_HIGH, 56, 8)

typedef struct Event {
    AMDVIState *s;
    uint64_t quad[2];
} Event;

bool amdvi_send_intcapxt(AMDVIState *s)
{
    uint64_t xt = amdvi_readq(s, A_XT_INTERRUPT);
    X86IOMMUIrq irq = {
        .vector = FIELD_EX64(xt, XT_INTERRUPT, VECTOR),
        .delivery_mode = FIELD_EX64(xt, XT_INTERRUPT, DELIVERY_MODE),
        .dest_mode = FIELD_EX64(xt, XT_INTERRUPT, DEST_MODE),
        .dest = FIELD_EX64(xt, XT_INTERRUPT, DEST_LOW) |
                FIELD_EX64(xt, XT_INTERRUPT, DEST_HIGH) << 24,
    };
    MSIMessage msg;

    if (!s->dma_remap || !s->xtsup ||
        !FIELD_EX64(amdvi_readq(s, A_CONTROL), CONTROL, INT_CAP_XT_EN)) {
        return false;
    }
    x86_iommu_irq_to_msi_message(&irq, &msg);
    trace_amdvi_intcapxt(irq.vector, irq.dest);
    apic_get_class(NULL)->send_msi(&msg);
    return true;
}

/* An interrupt for each bit that becomes 1, if the guest wants it */
static void raise_status(AMDVIState *s, uint64_t bit)
{
    uint64_t status = amdvi_readq(s, A_STATUS);

    amdvi_writeq_raw(s, A_STATUS, status | bit);
    if (s->evtlog_intr && !(status & bit)) {
        amdvi_generate_msi_interrupt(s);
    }
}

static void write_event(AMDVIState *s, const uint64_t quad[2])
{
    const uint64_t record[] = { cpu_to_le64(quad[0]), cpu_to_le64(quad[1]) };
    uint32_t size = s->evtlog_len * AMDVI_EVENT_LEN;
    const MemTxAttrs attrs = { .memory = true };
    uint32_t next;

    trace_amdvi_event(FIELD_EX64(quad[0], EVENT, CODE), quad[0], quad[1]);
    if (!s->evtlog_enabled || !size ||
        !FIELD_EX64(amdvi_readq(s, A_STATUS), STATUS, EVT_RUN)) {
        return;
    }
    s->evtlog_tail &= size - 1;
    next = (s->evtlog_tail + AMDVI_EVENT_LEN) & (size - 1);
    if (next == (s->evtlog_head & (size - 1))) {
        /* No more until the guest clears the bit and enables the log again */
        trace_amdvi_event_overflow(s->evtlog_tail);
        amdvi_assign_andq(s, A_STATUS, ~(uint64_t)R_STATUS_EVT_RUN_MASK);
        raise_status(s, R_STATUS_EVT_OVERFLOW_MASK);
        return;
    }
    if (address_space_write(&address_space_memory, s->evtlog + s->evtlog_tail,
                            attrs, record, sizeof(record)) != MEMTX_OK) {
        trace_amdvi_evntlog_fail(s->evtlog, s->evtlog_tail);
        return;
    }
    s->evtlog_tail = next;
    amdvi_writeq_raw(s, AMDVI_MMIO_EVENT_TAIL, next);
    raise_status(s, R_STATUS_EVT_INT_MASK);
}

static void write_event_bh(void *opaque)
{
    g_autofree Event *event = opaque;

    write_event(event->s, event->quad);
}

static void log_event(AMDVIState *s, EventCode code, uint64_t fields,
                      hwaddr addr)
{
    const Event event = {
        .s = s,
        .quad = { FIELD_DP64(fields, EVENT, CODE, code), addr },
    };

    if (bql_locked()) {
        write_event(s, event.quad);
        return;
    }
    /* A device does DMA in a thread of its own, under RCU: don't wait here */
    aio_bh_schedule_oneshot(qemu_get_aio_context(), write_event_bh,
                            g_memdup2(&event, sizeof(event)));
}

static uint64_t access_fields(const AMDVIAccess *access)
{
    uint64_t fields = 0;

    fields = FIELD_DP64(fields, EVENT, DEVID, access->devid);
    fields = FIELD_DP64(fields, EVENT, I, access->is_interrupt);
    return FIELD_DP64(fields, EVENT, RW, access->is_write);
}

void amdvi_event_fault(AMDVIState *s, const AMDVIAccess *access,
                       AMDVIFault fault, hwaddr entry)
{
    uint64_t fields = FIELD_DP64(access_fields(access), EVENT, DOMID,
                                 access->domid);

    if (fault == AMDVI_FAULT_MEMORY) {
        fields = FIELD_DP64(fields, EVENT, HW_TYPE, HW_TYPE_MASTER_ABORT);
        log_event(s, EVENT_PAGE_TAB_HARDWARE_ERROR, fields, entry);
        return;
    }
    fields = FIELD_DP64(fields, EVENT, PR, fault != AMDVI_FAULT_NOT_PRESENT);
    fields = FIELD_DP64(fields, EVENT, PE, fault == AMDVI_FAULT_PERMISSION);
    fields = FIELD_DP64(fields, EVENT, RZ, fault == AMDVI_FAULT_RESERVED ||
                                           fault == AMDVI_FAULT_LEVEL);
    log_event(s, EVENT_IO_PAGE_FAULT, fields, access->addr);
}

void amdvi_event_illegal_dte(AMDVIState *s, const AMDVIAccess *access,
                             AMDVIFault fault)
{
    uint64_t fields = FIELD_DP64(access_fields(access), EVENT, RZ,
                                 fault == AMDVI_FAULT_RESERVED);

    log_event(s, EVENT_ILLEGAL_DEV_TABLE_ENTRY, fields, access->addr);
}

void amdvi_event_dte_unreadable(AMDVIState *s, const AMDVIAccess *access,
                                hwaddr entry)
{
    uint64_t fields = FIELD_DP64(access_fields(access), EVENT, HW_TYPE,
                                 HW_TYPE_MASTER_ABORT);

    log_event(s, EVENT_DEV_TAB_HARDWARE_ERROR, fields, entry);
}

void amdvi_event_illegal_command(AMDVIState *s, hwaddr command)
{
    log_event(s, EVENT_ILLEGAL_COMMAND_ERROR, 0, command);
}

void amdvi_event_command_unreadable(AMDVIState *s, hwaddr command)
{
    log_event(s, EVENT_COMMAND_HARDWARE_ERROR,
              FIELD_DP64(0, EVENT, HW_TYPE, HW_TYPE_MASTER_ABORT), command);
}

void amdvi_event_invalid_request(AMDVIState *s, const AMDVIAccess *access,
                                 AMDVIInvalidRequest type)
{
    /* The type says what it was, and whether it was a write */
    uint64_t fields = FIELD_DP64(0, EVENT, DEVID, access->devid);

    fields = FIELD_DP64(fields, EVENT, REQUEST_TYPE, type);
    log_event(s, EVENT_INVALID_DEVICE_REQUEST, fields, access->addr);
}

void amdvi_event_base_written(AMDVIState *s)
{
    /* 3.4.3: a write to the base register sets the pointers to 0 */
    s->evtlog_head = 0;
    s->evtlog_tail = 0;
    amdvi_writeq_raw(s, AMDVI_MMIO_EVENT_HEAD, 0);
    amdvi_writeq_raw(s, AMDVI_MMIO_EVENT_TAIL, 0);
}

void amdvi_event_control_written(AMDVIState *s)
{
    if (FIELD_EX64(amdvi_readq(s, A_STATUS), STATUS, EVT_OVERFLOW)) {
        amdvi_assign_andq(s, A_STATUS, ~(uint64_t)R_STATUS_EVT_RUN_MASK);
    }
}

void amdvi_status_write(AMDVIState *s, hwaddr addr, uint64_t val,
                        unsigned size)
{
    uint64_t ones = (val & MAKE_64BIT_MASK(0, size * 8)) << (addr % 8 * 8);

    amdvi_assign_andq(s, A_STATUS, ~(ones & STATUS_RW1C));
}
