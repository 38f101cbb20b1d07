/*
 * AMD IOMMU tests: the device, its tables, and a model of the walk
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * All addresses below are guest physical.  The model is written from the
 * specification and knows nothing of QEMU: it reads the tables that a test
 * wrote, and says what an access has to do.
 */

#ifndef TESTS_AMD_IOMMU_LIB_H
#define TESTS_AMD_IOMMU_LIB_H

#include "libqtest.h"
#include "qemu/bitops.h"
#include "qemu/units.h"

/* MMIO registers */
#define IOMMU_BASE      0xfed80000ULL
#define REG_DEVTAB      0x0000
#define REG_CMD_BASE    0x0008
#define REG_EVT_BASE    0x0010
#define REG_CONTROL     0x0018
#define REG_EFR         0x0030
#define REG_CMD_HEAD    0x2000
#define REG_CMD_TAIL    0x2008
#define REG_EVT_HEAD    0x2010
#define REG_EVT_TAIL    0x2018
#define REG_STATUS      0x2020

#define CONTROL_IOMMU   BIT_ULL(0)
#define CONTROL_EVTLOG  BIT_ULL(2)
#define CONTROL_EVTINT  BIT_ULL(3)
#define CONTROL_CMDBUF  BIT_ULL(12)
#define CONTROL_ALL     (CONTROL_IOMMU | CONTROL_EVTLOG | CONTROL_CMDBUF)

#define STATUS_EVT_OVERFLOW BIT_ULL(0)
#define STATUS_EVT_INT      BIT_ULL(1)
#define STATUS_EVT_RUN      BIT_ULL(3)
#define STATUS_CMD_RUN      BIT_ULL(4)

/* Where the tests have what, in 256 MiB of RAM */
#define RAM_SIZE        (256 * MiB)
#define DEVTAB          (1 * MiB)
#define CMDBUF          (4 * MiB)
#define EVTLOG          (5 * MiB)
#define SEMAPHORE       (6 * MiB)
#define TABLES          (16 * MiB)
#define DATA            (128 * MiB)
#define SCRATCH         (8 * MiB)
#define OUTSIDE_RAM     (1 * GiB)

/* 256 entries each */
#define RING_SIZE       4096
#define RING_LENGTH     (8ULL << 56)

/* Device table entry */
#define DTE_V           BIT_ULL(0)
#define DTE_TV          BIT_ULL(1)
#define DTE_MODE(n)     ((uint64_t)(n) << 9)
#define DTE_R           BIT_ULL(61)
#define DTE_W           BIT_ULL(62)
#define DTE1_SE         BIT_ULL(33)
#define DTE1_SA         BIT_ULL(34)

/* Page table entry; a table's entry has its level as Next Level */
#define PTE_PR          BIT_ULL(0)
#define PTE_NEXT(n)     ((uint64_t)(n) << 9)
#define PTE_R           BIT_ULL(61)
#define PTE_W           BIT_ULL(62)
#define PTE_RW          (PTE_R | PTE_W)
#define PTE_ADDR        MAKE_64BIT_MASK(12, 40)

#define EVT_ILLEGAL_DTE     1
#define EVT_PAGE_FAULT      2
#define EVT_DTE_HW          3
#define EVT_PTE_HW          4
#define EVT_ILLEGAL_CMD     5
#define EVT_CMD_HW          6
#define EVT_INVALID_REQUEST 8

#define EVT_I               BIT_ULL(51)
#define EVT_PR              BIT_ULL(52)
#define EVT_RW              BIT_ULL(53)
#define EVT_PE              BIT_ULL(54)
#define EVT_RZ              BIT_ULL(55)
#define EVT_MASTER_ABORT    BIT_ULL(57)

#define CMD(opcode)         ((uint64_t)(opcode) << 60)
#define CMD_COMPLETION_WAIT 1
#define CMD_INV_DEVTAB      2
#define CMD_INV_PAGES       3
#define CMD_INV_INTR        5
#define CMD_INV_ALL         8

#define DOMAIN              0x1234

/*
 * AmdIommuTest: a machine with an IOMMU and an edu device that does DMA
 * @devid: the edu device's
 * @tables: where the next page table goes
 * @evt_head: events up to here were checked
 */
typedef struct AmdIommuTest {
    QTestState *qts;
    uint16_t devid;
    uint64_t tables;
    uint32_t evt_head;
    uint32_t cmd_tail;
    unsigned levels;
} AmdIommuTest;

typedef struct Event {
    uint64_t quad[2];
} Event;

/* What an access has to do: reach @addr, or be logged as @event */
typedef struct Outcome {
    bool allowed;
    uint64_t addr;
    bool logged;
    Event event;
} Outcome;

/*
 * @props: properties of amd-iommu, with a comma before each
 * @before: arguments for what amd-iommu needs
 */
void amd_init_after(AmdIommuTest *t, const char *before, const char *props);
void amd_init(AmdIommuTest *t, const char *props);
void amd_quit(AmdIommuTest *t);

/* Register of a PCI function on bus 0 */
uint32_t amd_config_read(AmdIommuTest *t, unsigned slot, unsigned reg);
void amd_config_write(AmdIommuTest *t, unsigned slot, unsigned reg,
                      uint32_t val);

uint64_t amd_read(AmdIommuTest *t, unsigned reg);
void amd_write(AmdIommuTest *t, unsigned reg, uint64_t val);
uint64_t amd_read_mem(AmdIommuTest *t, uint64_t addr);
void amd_write_mem(AmdIommuTest *t, uint64_t addr, uint64_t val);

/* Sets the device's entry, and invalidates it and all translations */
void amd_set_dte(AmdIommuTest *t, uint64_t quad0, uint64_t quad1);

/* An empty table */
uint64_t amd_new_table(AmdIommuTest *t);

/* Queues a command and rings; returns where it is */
uint64_t amd_command(AmdIommuTest *t, uint64_t quad0, uint64_t quad1);

/* Eight bytes of DMA by the device, which always comes to an end */
void amd_dma_write(AmdIommuTest *t, uint64_t iova, uint64_t val);
uint64_t amd_dma_read(AmdIommuTest *t, uint64_t iova);

/* The same, of whatever is in the device, and without other accesses */
void amd_dma_write_any(AmdIommuTest *t, uint64_t iova);

/* Takes the next event from the log; false if there is none */
bool amd_next_event(AmdIommuTest *t, Event *event);
void amd_expect_event(AmdIommuTest *t, uint64_t quad0, uint64_t quad1);
void amd_expect_no_event(AmdIommuTest *t);
uint64_t amd_event(AmdIommuTest *t, unsigned code, unsigned domid,
                   uint64_t flags);

/* The model */
Outcome amd_model(AmdIommuTest *t, uint64_t iova, bool is_write);

/* Does DMA in both directions, and compares with the model */
void amd_check_access(AmdIommuTest *t, uint64_t iova);

#endif
