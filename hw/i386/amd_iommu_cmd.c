/*
 * AMD IOMMU: the command buffer, when DMA is remapped
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Commands are checked against a table of the bits that they have.  As the
 * specification wants it (2.4), an illegal one is logged and stops the buffer
 * where it is, until the guest disables and enables it.
 */

#include "qemu/osdep.h"
#include "exec/address-spaces.h"
#include "hw/registerfields.h"
#include "qemu/main-loop.h"
#include "qemu/timer.h"
#include "amd_iommu_dma_remap.h"
#include "trace.h"

/* First quadword of all commands */
REG64(CMD, 0)
    FIELD(CMD, OPCODE, 60, 4)

/* COMPLETION_WAIT (2.4.1); the second quadword is the data to store */
REG64(COMPLETION_WAIT, 0)
    FIELD(COMPLETION_WAIT, S, 0, 1)
    FIELD(COMPLETION_WAIT, I, 1, 1)
    FIELD(COMPLETION_WAIT, ADDRESS, 3, 49)

/* INVALIDATE_DEVTAB_ENTRY, INVALIDATE_INTERRUPT_TABLE and others */
REG64(DEVICE, 0)
    FIELD(DEVICE, DEVID, 0, 16)

/* INVALIDATE_IOMMU_PAGES (2.4.3), INVALIDATE_IOTLB_PAGES (2.4.4) */
REG64(PAGES0, 0)
    FIELD(PAGES0, DOMID, 32, 16)
REG64(PAGES1, 8)
    FIELD(PAGES1, S, 0, 1)
    FIELD(PAGES1, ADDRESS, 12, 52)

/* The guest may queue work for hours: let others have the BQL after this */
#define RUN_NS              (20 * SCALE_MS)

#define STATUS_COMWAIT_INT  AMDVI_MMIO_STATUS_COMP_INT

/*
 * AMDVICommand: how to execute a command
 * @reserved: bits that have to be 0, without the opcode
 */
typedef struct AMDVICommand {
    const char *name;
    uint64_t reserved[2];
    void (*execute)(AMDVIState *s, const uint64_t cmd[2]);
} AMDVICommand;

static void completion_wait(AMDVIState *s, const uint64_t cmd[2])
{
    const MemTxAttrs attrs = { .memory = true };
    hwaddr addr = cmd[0] & R_COMPLETION_WAIT_ADDRESS_MASK;
    uint64_t data = cpu_to_le64(cmd[1]);

    amdvi_remap_complete(s);
    if (FIELD_EX64(cmd[0], COMPLETION_WAIT, S) &&
        address_space_write(&address_space_memory, addr, attrs, &data,
                            sizeof(data)) != MEMTX_OK) {
        trace_amdvi_completion_wait_fail(addr);
    }
    if (FIELD_EX64(cmd[0], COMPLETION_WAIT, I)) {
        amdvi_assign_orq(s, AMDVI_MMIO_STATUS, STATUS_COMWAIT_INT);
        if (s->completion_wait_intr) {
            amdvi_generate_msi_interrupt(s);
        }
    }
    trace_amdvi_completion_wait(addr, cmd[1]);
}

static void inval_devtab_entry(AMDVIState *s, const uint64_t cmd[2])
{
    uint16_t devid = FIELD_EX64(cmd[0], DEVICE, DEVID);

    trace_amdvi_devtab_inval(PCI_BUS_NUM(devid), PCI_SLOT(devid),
                             PCI_FUNC(devid));
    amdvi_iotlb_inval_devid(s, devid);
    amdvi_remap_inval_dte(s, devid);
}

static void inval_pages(AMDVIState *s, const uint64_t cmd[2])
{
    uint16_t domid = FIELD_EX64(cmd[0], PAGES0, DOMID);
    uint64_t page = FIELD_EX64(cmd[1], PAGES1, ADDRESS);
    hwaddr start, size_mask = ~AMDVI_PAGE_MASK_4K;

    if (FIELD_EX64(cmd[1], PAGES1, S)) {
        unsigned bits = ctz64(~page) + AMDVI_PAGE_SHIFT + 1;

        /* Table 14: as many ones at the bottom as the size has bits more */
        size_mask = bits < 64 ? MAKE_64BIT_MASK(0, bits) : UINT64_MAX;
    }
    start = (page << AMDVI_PAGE_SHIFT) & ~size_mask;
    trace_amdvi_remap_inval_pages(domid, start, start | size_mask);
    amdvi_iotlb_inval_domid(s, domid);
    amdvi_remap_inval_pages(s, domid, start, start | size_mask);
}

static void inval_iotlb_pages(AMDVIState *s, const uint64_t cmd[2])
{
    /* No device has translations of its own, other than through notifiers */
    amdvi_iotlb_inval_devid(s, FIELD_EX64(cmd[0], DEVICE, DEVID));
    trace_amdvi_iotlb_inval();
}

static void inval_intr_table(AMDVIState *s, const uint64_t cmd[2])
{
    amdvi_intremap_inval_notify_all(s, true, 0, 0);
    trace_amdvi_intr_inval();
}

static void prefetch_pages(AMDVIState *s, const uint64_t cmd[2])
{
    trace_amdvi_prefetch_pages();
}

static void complete_ppr(AMDVIState *s, const uint64_t cmd[2])
{
    trace_amdvi_ppr_exec();
}

static void inval_all(AMDVIState *s, const uint64_t cmd[2])
{
    amdvi_intremap_inval_notify_all(s, true, 0, 0);
    amdvi_iotlb_reset(s);
    amdvi_remap_refresh_all(s);
    trace_amdvi_all_inval();
}

#define BITS(low, high) MAKE_64BIT_MASK(low, (high) - (low) + 1)

static const AMDVICommand commands[] = {
    [AMDVI_CMD_COMPLETION_WAIT] = {
        "COMPLETION_WAIT",
        { BITS(52, 59), 0 },
        completion_wait,
    },
    [AMDVI_CMD_INVAL_DEVTAB_ENTRY] = {
        "INVALIDATE_DEVTAB_ENTRY",
        { BITS(16, 59), UINT64_MAX },
        inval_devtab_entry,
    },
    [AMDVI_CMD_INVAL_AMDVI_PAGES] = {
        "INVALIDATE_IOMMU_PAGES",
        { BITS(20, 31) | BITS(48, 59), BITS(3, 11) },
        inval_pages,
    },
    [AMDVI_CMD_INVAL_IOTLB_PAGES] = {
        "INVALIDATE_IOTLB_PAGES",
        { 0, BITS(1, 1) | BITS(3, 3) | BITS(6, 11) },
        inval_iotlb_pages,
    },
    [AMDVI_CMD_INVAL_INTR_TABLE] = {
        "INVALIDATE_INTERRUPT_TABLE",
        { BITS(16, 59), UINT64_MAX },
        inval_intr_table,
    },
    [AMDVI_CMD_PREFETCH_AMDVI_PAGES] = {
        "PREFETCH_IOMMU_PAGES",
        { BITS(16, 23) | BITS(52, 59), BITS(1, 1) | BITS(3, 3) | BITS(5, 11) },
        prefetch_pages,
    },
    [AMDVI_CMD_COMPLETE_PPR_REQUEST] = {
        "COMPLETE_PPR_REQUEST",
        { BITS(16, 31) | BITS(52, 59), BITS(0, 1) | BITS(3, 31) |
                                       BITS(48, 63) },
        complete_ppr,
    },
    [AMDVI_CMD_INVAL_AMDVI_ALL] = {
        "INVALIDATE_IOMMU_ALL",
        { BITS(0, 59), UINT64_MAX },
        inval_all,
    },
};

/* Returns false if the buffer has to stop at this command */
static bool execute(AMDVIState *s, hwaddr addr)
{
    const AMDVICommand *command;
    uint64_t cmd[2];
    unsigned opcode;

    if (!amdvi_read_ram(addr, cmd, sizeof(cmd))) {
        trace_amdvi_command_read_fail(s->cmdbuf, s->cmdbuf_head);
        amdvi_event_command_unreadable(s, addr);
        return false;
    }
    cmd[0] = le64_to_cpu(cmd[0]);
    cmd[1] = le64_to_cpu(cmd[1]);
    opcode = FIELD_EX64(cmd[0], CMD, OPCODE);
    command = opcode < ARRAY_SIZE(commands) ? &commands[opcode] : NULL;
    if (!command || !command->execute ||
        (cmd[0] & command->reserved[0]) || (cmd[1] & command->reserved[1])) {
        trace_amdvi_command_illegal(addr, command && command->name ?
                                          command->name : "unknown",
                                    cmd[0], cmd[1]);
        amdvi_event_illegal_command(s, addr);
        return false;
    }
    command->execute(s, cmd);
    return true;
}

void amdvi_commands_run(AMDVIState *s)
{
    uint32_t size = s->cmdbuf_len * AMDVI_COMMAND_SIZE;
    int64_t end = qemu_clock_get_ns(QEMU_CLOCK_REALTIME) + RUN_NS;

    if (!s->cmdbuf_enabled || s->cmdbuf_halted || !size) {
        trace_amdvi_command_error(amdvi_readq(s, AMDVI_MMIO_CONTROL));
        return;
    }
    /* The registers are masked with the size when they are written */
    while (s->cmdbuf_head != s->cmdbuf_tail) {
        trace_amdvi_command_exec(s->cmdbuf_head, s->cmdbuf_tail, s->cmdbuf);
        if (!execute(s, s->cmdbuf + s->cmdbuf_head)) {
            s->cmdbuf_halted = true;
            amdvi_command_control_written(s);
            return;
        }
        s->cmdbuf_head = (s->cmdbuf_head + AMDVI_COMMAND_SIZE) & (size - 1);
        amdvi_writeq_raw(s, AMDVI_MMIO_COMMAND_HEAD, s->cmdbuf_head);
        if (s->cmdbuf_head != s->cmdbuf_tail &&
            qemu_clock_get_ns(QEMU_CLOCK_REALTIME) > end) {
            qemu_bh_schedule(s->cmdbuf_bh);
            return;
        }
    }
}

static void commands_bh(void *opaque)
{
    amdvi_commands_run(opaque);
}

void amdvi_commands_init(AMDVIState *s)
{
    s->cmdbuf_bh = qemu_bh_new_guarded(commands_bh, s,
                                       &DEVICE(s)->mem_reentrancy_guard);
}

void amdvi_command_control_written(AMDVIState *s)
{
    if (!s->cmdbuf_enabled) {
        s->cmdbuf_halted = false;
    } else if (s->cmdbuf_halted) {
        amdvi_assign_andq(s, AMDVI_MMIO_STATUS,
                          ~(uint64_t)AMDVI_MMIO_STATUS_CMDBUF_RUN);
    }
}
