/*
 * AMD IOMMU tests: the device, its tables, and a model of the walk
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The model follows chapter 2.2 of the "AMD I/O Virtualization Technology
 * (IOMMU) Specification", one address at a time.
 */

#include "qemu/osdep.h"
#include "hw/pci/pci_regs.h"
#include "amd-iommu-lib.h"

#define EDU_SLOT        0x18
#define EDU_BAR         0xfe000000ULL
#define EDU_DMA_SRC     0x80
#define EDU_DMA_DST     0x88
#define EDU_DMA_COUNT   0x90
#define EDU_DMA_CMD     0x98
#define EDU_CMD_RUN     1
#define EDU_CMD_TO_RAM  2
#define EDU_BUFFER      0x40000
#define EDU_DELAY_NS    (100 * 1000 * 1000)

#define CONFIG_ADDRESS  0xcf8
#define CONFIG_DATA     0xcfc

uint64_t amd_read(AmdIommuTest *t, unsigned reg)
{
    return qtest_readq(t->qts, IOMMU_BASE + reg);
}

void amd_write(AmdIommuTest *t, unsigned reg, uint64_t val)
{
    qtest_writeq(t->qts, IOMMU_BASE + reg, val);
}

uint64_t amd_read_mem(AmdIommuTest *t, uint64_t addr)
{
    return qtest_readq(t->qts, addr);
}

void amd_write_mem(AmdIommuTest *t, uint64_t addr, uint64_t val)
{
    qtest_writeq(t->qts, addr, val);
}

uint32_t amd_config_read(AmdIommuTest *t, unsigned slot, unsigned reg)
{
    qtest_outl(t->qts, CONFIG_ADDRESS, BIT(31) | slot << 11 | reg);
    return qtest_inl(t->qts, CONFIG_DATA);
}

void amd_config_write(AmdIommuTest *t, unsigned slot, unsigned reg,
                      uint32_t val)
{
    qtest_outl(t->qts, CONFIG_ADDRESS, BIT(31) | slot << 11 | reg);
    qtest_outl(t->qts, CONFIG_DATA, val);
}

void amd_init_after(AmdIommuTest *t, const char *before, const char *props)
{
    *t = (AmdIommuTest) {
        .devid = EDU_SLOT << 3,
        .tables = TABLES,
        .levels = 6,
    };
    t->qts = qtest_initf("-M q35 -m %" PRIu64 "M -nodefaults %s "
                         "-device amd-iommu,dma-remap=on%s "
                         "-device edu,addr=0x%x,dma_mask=0xffffffffffffffff",
                         (uint64_t)(RAM_SIZE / MiB), before, props, EDU_SLOT);
    amd_config_write(t, EDU_SLOT, PCI_BASE_ADDRESS_0, EDU_BAR);
    amd_config_write(t, EDU_SLOT, PCI_COMMAND,
                     PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);

    /* 8 KiB of device table, for 256 devices */
    amd_write(t, REG_DEVTAB, DEVTAB | 1);
    amd_write(t, REG_CMD_BASE, CMDBUF | RING_LENGTH);
    amd_write(t, REG_EVT_BASE, EVTLOG | RING_LENGTH);
    amd_write(t, REG_CONTROL, CONTROL_ALL);
}

void amd_init(AmdIommuTest *t, const char *props)
{
    amd_init_after(t, "", props);
}

void amd_quit(AmdIommuTest *t)
{
    amd_expect_no_event(t);
    qtest_quit(t->qts);
}

uint64_t amd_command(AmdIommuTest *t, uint64_t quad0, uint64_t quad1)
{
    uint64_t addr = CMDBUF + t->cmd_tail;

    amd_write_mem(t, addr, quad0);
    amd_write_mem(t, addr + 8, quad1);
    t->cmd_tail = (t->cmd_tail + 16) % RING_SIZE;
    amd_write(t, REG_CMD_TAIL, t->cmd_tail);
    return addr;
}

void amd_set_dte(AmdIommuTest *t, uint64_t quad0, uint64_t quad1)
{
    uint64_t addr = DEVTAB + t->devid * 32;

    amd_write_mem(t, addr, quad0);
    amd_write_mem(t, addr + 8, quad1);
    amd_command(t, CMD(CMD_INV_DEVTAB) | t->devid, 0);
    amd_command(t, CMD(CMD_INV_ALL), 0);
    g_assert_cmphex(amd_read(t, REG_CMD_HEAD), ==, t->cmd_tail);
}

uint64_t amd_new_table(AmdIommuTest *t)
{
    uint64_t addr = t->tables;

    t->tables += 4 * KiB;
    g_assert_cmphex(addr, <, DATA);
    qtest_memset(t->qts, addr, 0, 4 * KiB);
    return addr;
}

/*
 * Four bytes: where nothing answers, QEMU makes two accesses of eight, and each
 * is a fault.
 */
static void edu_dma(AmdIommuTest *t, uint64_t src, uint64_t dst, unsigned cmd)
{
    qtest_writeq(t->qts, EDU_BAR + EDU_DMA_SRC, src);
    qtest_writeq(t->qts, EDU_BAR + EDU_DMA_DST, dst);
    qtest_writeq(t->qts, EDU_BAR + EDU_DMA_COUNT, sizeof(uint32_t));
    qtest_writeq(t->qts, EDU_BAR + EDU_DMA_CMD, cmd | EDU_CMD_RUN);
    qtest_clock_step(t->qts, EDU_DELAY_NS);
    g_assert_cmphex(qtest_readq(t->qts, EDU_BAR + EDU_DMA_CMD) & EDU_CMD_RUN,
                    ==, 0);
}

/* Between the device's buffer and memory, past the IOMMU */
static void edu_dma_untranslated(AmdIommuTest *t, uint64_t src, uint64_t dst,
                                 unsigned cmd)
{
    uint64_t control = amd_read(t, REG_CONTROL);

    amd_write(t, REG_CONTROL, control & ~CONTROL_IOMMU);
    edu_dma(t, src, dst, cmd);
    amd_write(t, REG_CONTROL, control);
}

void amd_dma_write(AmdIommuTest *t, uint64_t iova, uint64_t val)
{
    amd_write_mem(t, SCRATCH, val);
    edu_dma_untranslated(t, SCRATCH, EDU_BUFFER, 0);
    edu_dma(t, EDU_BUFFER, iova, EDU_CMD_TO_RAM);
}

void amd_dma_write_any(AmdIommuTest *t, uint64_t iova)
{
    edu_dma(t, EDU_BUFFER, iova, EDU_CMD_TO_RAM);
}

uint64_t amd_dma_read(AmdIommuTest *t, uint64_t iova)
{
    amd_write_mem(t, SCRATCH, 0);
    edu_dma_untranslated(t, SCRATCH, EDU_BUFFER, 0);
    edu_dma(t, iova, EDU_BUFFER, 0);
    edu_dma_untranslated(t, EDU_BUFFER, SCRATCH, EDU_CMD_TO_RAM);
    return amd_read_mem(t, SCRATCH);
}

bool amd_next_event(AmdIommuTest *t, Event *event)
{
    if (amd_read(t, REG_EVT_TAIL) == t->evt_head) {
        return false;
    }
    event->quad[0] = amd_read_mem(t, EVTLOG + t->evt_head);
    event->quad[1] = amd_read_mem(t, EVTLOG + t->evt_head + 8);
    t->evt_head = (t->evt_head + 16) % RING_SIZE;
    amd_write(t, REG_EVT_HEAD, t->evt_head);
    return true;
}

void amd_expect_event(AmdIommuTest *t, uint64_t quad0, uint64_t quad1)
{
    Event event;

    g_assert_true(amd_next_event(t, &event));
    g_assert_cmphex(event.quad[0], ==, quad0);
    g_assert_cmphex(event.quad[1], ==, quad1);
}

void amd_expect_no_event(AmdIommuTest *t)
{
    g_assert_cmphex(amd_read(t, REG_EVT_TAIL), ==, t->evt_head);
}

uint64_t amd_event(AmdIommuTest *t, unsigned code, unsigned domid,
                   uint64_t flags)
{
    return (uint64_t)code << 60 | (uint64_t)domid << 32 | flags | t->devid;
}

static Outcome model_event(AmdIommuTest *t, unsigned code, unsigned domid,
                           uint64_t flags, uint64_t addr)
{
    return (Outcome) {
        .logged = true,
        .event.quad = { amd_event(t, code, domid, flags), addr },
    };
}

static bool in_ram(uint64_t addr)
{
    return addr < RAM_SIZE;
}

Outcome amd_model(AmdIommuTest *t, uint64_t iova, bool is_write)
{
    const uint64_t dte_reserved = MAKE_64BIT_MASK(2, 5) |
                                  MAKE_64BIT_MASK(7, 2) |
                                  BIT_ULL(55) | BIT_ULL(63);
    uint64_t wanted = is_write ? PTE_W : PTE_R;
    uint64_t rw = is_write ? EVT_RW : 0;
    uint64_t dte = amd_read_mem(t, DEVTAB + t->devid * 32);
    unsigned domid = amd_read_mem(t, DEVTAB + t->devid * 32 + 8) & 0xffff;
    unsigned level = extract64(dte, 9, 3);
    uint64_t table = dte & PTE_ADDR, perm = dte & PTE_RW;
    bool allowed = dte & wanted;

    if (!(dte & DTE_V)) {
        return (Outcome) { .allowed = true, .addr = iova };
    }
    if (dte & dte_reserved) {
        return model_event(t, EVT_ILLEGAL_DTE, 0, rw | EVT_RZ, iova);
    }
    if (!(dte & DTE_TV)) {
        return model_event(t, EVT_PAGE_FAULT, domid, rw, iova);
    }
    if (level > t->levels) {
        return model_event(t, EVT_ILLEGAL_DTE, 0, rw, iova);
    }
    if (level == 0) {
        if (!allowed) {
            return model_event(t, EVT_PAGE_FAULT, domid, rw | EVT_PR | EVT_PE,
                               iova);
        }
        return (Outcome) { .allowed = true, .addr = iova };
    }
    /* No access at all is refused before anything is read */
    if (!(dte & PTE_RW)) {
        return model_event(t, EVT_PAGE_FAULT, domid, rw | EVT_PR | EVT_PE,
                           iova);
    }
    if (level < 6 && iova >> (12 + 9 * level)) {
        return model_event(t, EVT_PAGE_FAULT, domid, rw, iova);
    }
    for (;;) {
        unsigned shift = 3 + 9 * level;
        uint64_t entry = table + ((iova >> shift) & 0x1ff) * 8;
        unsigned next, size;
        uint64_t pte;

        if (!in_ram(table)) {
            return model_event(t, EVT_PTE_HW, domid, rw | EVT_MASTER_ABORT,
                               entry);
        }
        pte = amd_read_mem(t, entry);
        next = extract64(pte, 9, 3);
        if (!(pte & PTE_PR)) {
            return model_event(t, EVT_PAGE_FAULT, domid, rw, iova);
        }
        if (next == 0 || next == 7) {
            size = shift;
            if (next == 7) {
                size = 13;
                for (uint64_t bits = pte >> 12; bits & 1; bits >>= 1) {
                    size++;
                }
            }
            /* Pages of a level are as large as one entry, or 2 to 256 */
            if (level == 6 || size < shift || size > shift + 8 ||
                (next == 7 && size == shift) ||
                (pte & MAKE_64BIT_MASK(52, 7))) {
                return model_event(t, EVT_PAGE_FAULT, domid,
                                   rw | EVT_PR | EVT_RZ, iova);
            }
            perm &= pte;
            if (!(perm & wanted)) {
                return model_event(t, EVT_PAGE_FAULT, domid,
                                   rw | EVT_PR | EVT_PE, iova);
            }
            return (Outcome) {
                .allowed = true,
                .addr = (pte & PTE_ADDR & ~MAKE_64BIT_MASK(0, size)) |
                        (iova & MAKE_64BIT_MASK(0, size)),
            };
        }
        if (next >= level || (pte & MAKE_64BIT_MASK(52, 9))) {
            return model_event(t, EVT_PAGE_FAULT, domid,
                               rw | EVT_PR | EVT_RZ, iova);
        }
        perm &= pte;
        if (!(perm & PTE_RW)) {
            return model_event(t, EVT_PAGE_FAULT, domid,
                               rw | EVT_PR | EVT_PE, iova);
        }
        /* Levels that are skipped must not have address bits */
        if (next < level - 1 &&
            extract64(iova, 12 + 9 * next, shift - 12 - 9 * next)) {
            return model_event(t, EVT_PAGE_FAULT, domid, rw, iova);
        }
        table = pte & PTE_ADDR;
        level = next;
    }
}

static void check_event(AmdIommuTest *t, const Outcome *want)
{
    if (want->logged) {
        amd_expect_event(t, want->event.quad[0], want->event.quad[1]);
    }
    amd_expect_no_event(t);
}

void amd_check_access(AmdIommuTest *t, uint64_t iova)
{
    const uint64_t old = 0x89abcdef, new = 0x76543210;
    Outcome rd = amd_model(t, iova, false);
    Outcome wr = amd_model(t, iova, true);
    uint64_t got;

    if (rd.allowed && in_ram(rd.addr)) {
        amd_write_mem(t, rd.addr, old);
    }
    got = amd_dma_read(t, iova);
    check_event(t, &rd);
    if (rd.allowed && in_ram(rd.addr)) {
        g_assert_cmphex(got, ==, old);
    } else {
        g_assert_cmphex(got, !=, old);
    }

    if (wr.allowed && in_ram(wr.addr)) {
        amd_write_mem(t, wr.addr, old);
    }
    amd_dma_write(t, iova, new);
    check_event(t, &wr);
    if (wr.allowed && in_ram(wr.addr)) {
        g_assert_cmphex(amd_read_mem(t, wr.addr), ==, new);
    } else if (rd.allowed && in_ram(rd.addr)) {
        /* It may be read, so its place is known: not a byte has changed */
        g_assert_cmphex(amd_read_mem(t, rd.addr), ==, old);
    }
}
