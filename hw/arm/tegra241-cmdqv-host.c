/*
 * Tegra241 CMDQ-V: queues of the host
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The guest's only VINTF is one of the host's, which the kernel gives with the
 * vIOMMU.  An LVCMDQ of it is
 *
 *   ours    until the guest has configured it, and whenever the host cannot
 *           have it: page 0 is in Tegra241VCMDQ, accesses trap, the vSMMU
 *           consumes the queue and forwards invalidations
 *   the host's  from then on: page 0 is the hardware's.  When all allocated
 *           LVCMDQs are, the page is mapped into the guest, so that neither a
 *           doorbell nor a look at the consumer index leaves it.
 *
 * The kernel wants LVCMDQs without a gap: one that is given back takes those
 * above it along, which are ours until it comes again.
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/atomic.h"
#include "qemu/main-loop.h"
#include "exec/memory.h"
#include "tegra241-cmdqv-host.h"
#include "trace.h"
#include <linux/iommufd.h>

/* A disabled queue stops after the command that it is at */
#define STATUS_POLLS        1000

#define VEVENTS_READ        16

typedef struct CMDQVEvent {
    struct iommufd_vevent_header header;
    struct iommu_vevent_tegra241_cmdqv data;
} CMDQVEvent;

typedef struct CMDQVHostQueue {
    uint32_t id;                /* of the HW queue */
    unsigned vcmdq;             /* the guest's number of it */
} CMDQVHostQueue;

struct Tegra241CMDQVHost {
    IOMMUFDBackend *iommufd;
    uint32_t viommu_id;         /* 0: there is no VINTF */
    uint32_t veventq_id;
    int veventq_fd;
    void *page0;                /* the VINTF's, or plain memory without one */
    MemoryRegion page0_mr;
    unsigned num;               /* LVCMDQs below this are the host's */
    CMDQVHostQueue queue[CMDQV_MAX_VCMDQS];
};

static uint32_t *cmdqv_host_reg(Tegra241CMDQVHost *host, unsigned lvcmdq,
                                hwaddr reg)
{
    return host->page0 + lvcmdq * CMDQV_VCMDQ_STRIDE + reg;
}

static uint32_t cmdqv_host_read(Tegra241CMDQVHost *host, unsigned lvcmdq,
                                hwaddr reg)
{
    return le32_to_cpu(qatomic_read(cmdqv_host_reg(host, lvcmdq, reg)));
}

static void cmdqv_host_write(Tegra241CMDQVHost *host, unsigned lvcmdq,
                             hwaddr reg, uint32_t value)
{
    qatomic_set(cmdqv_host_reg(host, lvcmdq, reg), cpu_to_le32(value));
}

/* The LVCMDQ of the host that the guest knows as @q, or -1 */
static int cmdqv_host_lvcmdq(Tegra241CMDQVState *s, unsigned q)
{
    Tegra241CMDQVHost *host = s->host;
    unsigned lvcmdq = FIELD_EX32(s->vcmdq[q].alloc, CMDQV_CMDQ_ALLOC, LVCMDQ);

    return lvcmdq < host->num && host->queue[lvcmdq].vcmdq == q ? lvcmdq : -1;
}

static bool cmdqv_host_read_page0(Tegra241CMDQVState *s, unsigned q,
                                  hwaddr reg, uint32_t *value)
{
    int lvcmdq = cmdqv_host_lvcmdq(s, q);

    if (lvcmdq < 0) {
        return false;
    }
    *value = cmdqv_host_read(s->host, lvcmdq, reg);
    return true;
}

static bool cmdqv_host_write_page0(Tegra241CMDQVState *s, unsigned q,
                                   hwaddr reg, uint32_t value)
{
    int lvcmdq = cmdqv_host_lvcmdq(s, q);

    if (lvcmdq < 0) {
        return false;
    }
    cmdqv_host_write(s->host, lvcmdq, reg, value);
    return true;
}

/* Page 0 is the guest's while there is nothing in it to be trapped */
static void cmdqv_host_map_page0(Tegra241CMDQVState *s)
{
    Tegra241CMDQVHost *host = s->host;
    unsigned allocated = 0;
    bool mapped;

    for (unsigned q = 0; q < tegra241_cmdqv_num_vcmdqs(s); q++) {
        allocated += FIELD_EX32(s->vcmdq[q].alloc, CMDQV_CMDQ_ALLOC,
                                ALLOCATED);
    }
    mapped = host->num && host->num == allocated;
    if (mapped != host->page0_mr.enabled) {
        trace_tegra241_cmdqv_page0(mapped, host->num, allocated);
        memory_region_set_enabled(&host->page0_mr, mapped);
    }
}

/* Take the last LVCMDQ back, as it is */
static void cmdqv_host_free_queue(Tegra241CMDQVState *s)
{
    Tegra241CMDQVHost *host = s->host;
    unsigned lvcmdq = host->num - 1;
    Tegra241VCMDQ *vcmdq = &s->vcmdq[host->queue[lvcmdq].vcmdq];

    vcmdq->config = cmdqv_host_read(host, lvcmdq, A_VCMDQ_CONFIG);
    cmdqv_host_write(host, lvcmdq, A_VCMDQ_CONFIG, 0);
    for (int i = 0; i < STATUS_POLLS; i++) {
        if (!FIELD_EX32(cmdqv_host_read(host, lvcmdq, A_VCMDQ_STATUS),
                        VCMDQ_STATUS, ENABLED)) {
            break;
        }
    }
    vcmdq->prod = cmdqv_host_read(host, lvcmdq, A_VCMDQ_PROD);
    vcmdq->cons = cmdqv_host_read(host, lvcmdq, A_VCMDQ_CONS);
    vcmdq->gerror = cmdqv_host_read(host, lvcmdq, A_VCMDQ_GERROR);
    vcmdq->gerrorn = cmdqv_host_read(host, lvcmdq, A_VCMDQ_GERRORN);
    host->num--;
    trace_tegra241_cmdqv_free_queue(lvcmdq, vcmdq->prod, vcmdq->cons);
    iommufd_backend_free_id(host->iommufd, host->queue[lvcmdq].id);
}

static void cmdqv_host_free_from(Tegra241CMDQVState *s, unsigned lvcmdq)
{
    Tegra241CMDQVHost *host = s->host;

    if (lvcmdq >= host->num) {
        return;
    }
    /* from here on the guest's accesses wait for us */
    memory_region_set_enabled(&host->page0_mr, false);
    while (host->num > lvcmdq) {
        cmdqv_host_free_queue(s);
    }
}

static void cmdqv_host_release(Tegra241CMDQVState *s, unsigned q)
{
    int lvcmdq = cmdqv_host_lvcmdq(s, q);

    if (lvcmdq >= 0) {
        cmdqv_host_free_from(s, lvcmdq);
    }
}

static bool cmdqv_host_queue_ready(Tegra241CMDQVState *s, unsigned q)
{
    return tegra241_cmdqv_vcmdq_reachable(s, q) &&
           tegra241_cmdqv_size_ok(s, q) &&
           !tegra241_cmdqv_vcmdq_in_error(s, q) &&
           tegra241_cmdqv_queue_addr(&s->vcmdq[q]);
}

/* Give the next LVCMDQ to the host, as it is */
static bool cmdqv_host_alloc_queue(Tegra241CMDQVState *s, unsigned q)
{
    Tegra241CMDQVHost *host = s->host;
    Tegra241VCMDQ *vcmdq = &s->vcmdq[q];
    unsigned lvcmdq = host->num;
    uint64_t size = sizeof(Cmd) << FIELD_EX64(vcmdq->base, VCMDQ_BASE,
                                              LOG2SIZE);
    Error *err = NULL;

    if (!iommufd_backend_alloc_hw_queue(host->iommufd, host->viommu_id,
                                        IOMMU_HW_QUEUE_TYPE_TEGRA241_CMDQV,
                                        lvcmdq,
                                        tegra241_cmdqv_queue_addr(vcmdq),
                                        size, &host->queue[lvcmdq].id,
                                        &err)) {
        trace_tegra241_cmdqv_host_error(error_get_pretty(err));
        error_free(err);
        return false;
    }
    host->queue[lvcmdq].vcmdq = q;
    host->num++;
    cmdqv_host_write(host, lvcmdq, A_VCMDQ_CONS,
                     vcmdq->cons & R_VCMDQ_CONS_RD_MASK);
    cmdqv_host_write(host, lvcmdq, A_VCMDQ_PROD, vcmdq->prod);
    cmdqv_host_write(host, lvcmdq, A_VCMDQ_CONFIG, vcmdq->config);
    trace_tegra241_cmdqv_alloc_queue(lvcmdq, q,
                                     tegra241_cmdqv_queue_addr(vcmdq), size);
    return true;
}

static void cmdqv_host_update(Tegra241CMDQVState *s)
{
    Tegra241CMDQVHost *host = s->host;

    while (host->viommu_id && host->num < tegra241_cmdqv_num_vcmdqs(s)) {
        int q = tegra241_cmdqv_find_vcmdq(s, 0, host->num);

        if (q < 0 || !cmdqv_host_queue_ready(s, q) ||
            !cmdqv_host_alloc_queue(s, q)) {
            break;
        }
    }
    cmdqv_host_map_page0(s);
}

/* Hardware consumes its queues by itself; this one is ours */
static void cmdqv_host_consume(Tegra241CMDQVState *s, unsigned q)
{
    if (cmdqv_host_lvcmdq(s, q) < 0) {
        tegra241_cmdqv_consume(s, q);
    }
}

static const Tegra241CMDQVOps tegra241_cmdqv_host_ops = {
    .name = "assigned",
    .guest_owned = true,
    .consume = cmdqv_host_consume,
    .read_page0 = cmdqv_host_read_page0,
    .write_page0 = cmdqv_host_write_page0,
    .release = cmdqv_host_release,
    .update = cmdqv_host_update,
};

/*
 * The kernel reports the error map of the VINTF.  The guest reads it from the
 * queues' GERROR, which tell the same and are never behind.
 */
static void cmdqv_host_read_events(void *opaque)
{
    Tegra241CMDQVState *s = opaque;
    Tegra241CMDQVHost *host = s->host;
    CMDQVEvent events[VEVENTS_READ];
    ssize_t len = RETRY_ON_EINTR(read(host->veventq_fd, events,
                                      sizeof(events)));

    if (len < 0 && errno == EAGAIN) {
        return;
    }
    if (len <= 0) {
        trace_tegra241_cmdqv_host_error("vEVENTQ cannot be read");
        qemu_set_fd_handler(host->veventq_fd, NULL, NULL, NULL);
        return;
    }
    /* one interrupt, however many there are, and if some were lost */
    trace_tegra241_cmdqv_event(
        len, events[0].header.flags & IOMMU_VEVENTQ_FLAG_LOST_EVENTS ? 0 :
        le64_to_cpu(events[0].data.lvcmdq_err_map[0]));
    tegra241_cmdqv_raise_irq(s, 0);
}

bool tegra241_cmdqv_host_create(SMMUv3State *smmu,
                                const Tegra241CMDQVParams *params,
                                Error **errp)
{
    Tegra241CMDQVHost *host;
    void *page0 = mmap(NULL, CMDQV_PAGE_SIZE, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    Tegra241CMDQVState *s;

    if (page0 == MAP_FAILED) {
        error_setg_errno(errp, errno, "no memory for a CMDQ-V's page 0");
        return false;
    }
    host = g_new0(Tegra241CMDQVHost, 1);
    host->page0 = page0;
    if (!tegra241_cmdqv_create(smmu, &tegra241_cmdqv_host_ops, host, params,
                               errp)) {
        munmap(page0, CMDQV_PAGE_SIZE);
        g_free(host);
        return false;
    }
    s = smmu->s_cmdqv;
    memory_region_init_ram_device_ptr(&host->page0_mr, OBJECT(s),
                                      "tegra241-cmdqv-page0", CMDQV_PAGE_SIZE,
                                      page0);
    memory_region_set_skip_iommu_map(&host->page0_mr);
    memory_region_set_enabled(&host->page0_mr, false);
    memory_region_add_subregion_overlap(&s->mmio, CMDQV_VINTF_PAGE_BASE,
                                        &host->page0_mr, 1);
    return true;
}

static bool cmdqv_host_map_vintf(Tegra241CMDQVHost *host,
                                 const struct iommu_viommu_tegra241_cmdqv *data,
                                 Error **errp)
{
    if (data->out_vintf_mmap_length != CMDQV_PAGE_SIZE) {
        error_setg(errp, "page 0 of the host's VINTF has %" PRIu64 " bytes",
                   (uint64_t)data->out_vintf_mmap_length);
        return false;
    }
    return iommufd_backend_viommu_map(host->iommufd, host->page0,
                                      data->out_vintf_mmap_offset,
                                      CMDQV_PAGE_SIZE, errp);
}

bool tegra241_cmdqv_host_start(Tegra241CMDQVState *s,
                               HostIOMMUDeviceIOMMUFD *idev,
                               uint32_t *viommu_id, Error **errp)
{
    Tegra241CMDQVHost *host = s->host;
    struct iommu_viommu_tegra241_cmdqv data = {};
    uint32_t depth = 2 * tegra241_cmdqv_num_vcmdqs(s);

    host->iommufd = idev->iommufd;
    if (!iommufd_backend_alloc_viommu_data(idev->iommufd, idev->devid,
                                           IOMMU_VIOMMU_TYPE_TEGRA241_CMDQV,
                                           idev->hwpt_id, &data, sizeof(data),
                                           viommu_id, errp)) {
        return false;
    }
    if (!cmdqv_host_map_vintf(host, &data, errp)) {
        goto free_viommu;
    }
    if (!iommufd_backend_alloc_veventq(idev->iommufd, *viommu_id,
                                       IOMMU_VEVENTQ_TYPE_TEGRA241_CMDQV,
                                       depth, &host->veventq_id,
                                       &host->veventq_fd, errp)) {
        goto unmap;
    }
    qemu_set_fd_handler(host->veventq_fd, cmdqv_host_read_events, NULL, s);
    host->viommu_id = *viommu_id;
    trace_tegra241_cmdqv_host(true);
    /* after a hot-plug the guest has it all configured already */
    cmdqv_host_update(s);
    return true;

unmap:
    iommufd_backend_viommu_unmap(host->page0, CMDQV_PAGE_SIZE);
free_viommu:
    iommufd_backend_free_id(idev->iommufd, *viommu_id);
    *viommu_id = 0;
    return false;
}

void tegra241_cmdqv_host_stop(Tegra241CMDQVState *s)
{
    Tegra241CMDQVHost *host = s->host;

    if (!host->viommu_id) {
        return;
    }
    cmdqv_host_free_from(s, 0);
    iommufd_backend_viommu_unmap(host->page0, CMDQV_PAGE_SIZE);
    qemu_set_fd_handler(host->veventq_fd, NULL, NULL, NULL);
    iommufd_backend_free_veventq(host->iommufd, host->veventq_id,
                                 host->veventq_fd);
    host->viommu_id = 0;
    host->iommufd = NULL;
    trace_tegra241_cmdqv_host(false);
    /* there is no device any more, but a guest that waits for its CMD_SYNCs */
    for (unsigned q = 0; q < tegra241_cmdqv_num_vcmdqs(s); q++) {
        tegra241_cmdqv_kick(s, q);
    }
}
