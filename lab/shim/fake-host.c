/*
 * A preloaded library that lets the host look like another one
 *
 * What L0 emulates is one host. This stands between QEMU and the kernel, and
 * changes what the kernel says of the SMMU, refuses what it would do, or loses
 * what it would tell:
 *
 * FAKE_IDR=N:MASK:VALUE,...  bits of ID register N of the host SMMU
 * FAKE_TYPE=N                another kind of IOMMU (enum iommu_hw_info_type)
 * NO_CMDQV=1                 no Tegra241 CMDQ-V
 * REFUSE_STE=N               from the Nth nested HWPT on, all are refused
 * LOSE_EVENT=N               the Nth event that is read was lost by the kernel
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <linux/iommufd.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

typedef int IoctlFn(int fd, unsigned long request, ...);
typedef ssize_t ReadFn(int fd, void *buf, size_t size);

static IoctlFn *next_ioctl;
static ReadFn *next_read;
static int event_fd = -1;

static __attribute__((constructor)) void setup(void)
{
    next_ioctl = (IoctlFn *)dlsym(RTLD_NEXT, "ioctl");
    next_read = (ReadFn *)dlsym(RTLD_NEXT, "read");
}

static long number(const char *name)
{
    const char *text = getenv(name);
    long value;

    return text && sscanf(text, "%li", &value) == 1 ? value : 0;
}

static void fake_registers(struct iommu_hw_info_arm_smmuv3 *info)
{
    const char *text = getenv("FAKE_IDR");
    uint32_t mask, value;
    unsigned n;

    while (text && sscanf(text, "%u:%i:%i", &n, (int *)&mask,
                          (int *)&value) == 3) {
        if (n < sizeof(info->idr) / sizeof(info->idr[0])) {
            info->idr[n] = (info->idr[n] & ~mask) | value;
        }
        text = strchr(text, ',');
        text = text ? text + 1 : NULL;
    }
}

/* The kernel sets data_len to what there is; @room is what QEMU has room for */
static void fake_info(struct iommu_hw_info *cmd, uint32_t room)
{
    long type = number("FAKE_TYPE");

    if (cmd->out_data_type == IOMMU_HW_INFO_TYPE_ARM_SMMUV3 &&
        room >= sizeof(struct iommu_hw_info_arm_smmuv3)) {
        fake_registers((void *)(uintptr_t)cmd->data_uptr);
    }
    if (type) {
        cmd->out_data_type = type;
    }
}

static int refuse_ste(const struct iommu_hwpt_alloc *cmd)
{
    static long count;
    long first = number("REFUSE_STE");

    return cmd->data_type == IOMMU_HWPT_DATA_ARM_SMMUV3 && first &&
           ++count >= first;
}

static int hide_cmdqv(const struct iommu_hw_info *cmd)
{
    return number("NO_CMDQV") && (cmd->flags & IOMMU_HW_INFO_FLAG_INPUT_TYPE) &&
           cmd->in_data_type == IOMMU_HW_INFO_TYPE_TEGRA241_CMDQV;
}

int ioctl(int fd, unsigned long request, ...)
{
    uint32_t room = 0;
    va_list args;
    void *arg;
    int ret;

    va_start(args, request);
    arg = va_arg(args, void *);
    va_end(args);

    if (request == IOMMU_HWPT_ALLOC && refuse_ste(arg)) {
        errno = EINVAL;
        return -1;
    }
    if (request == IOMMU_GET_HW_INFO && hide_cmdqv(arg)) {
        errno = EOPNOTSUPP;
        return -1;
    }
    if (request == IOMMU_GET_HW_INFO) {
        room = ((struct iommu_hw_info *)arg)->data_len;
    }
    ret = next_ioctl(fd, request, arg);
    if (!ret && request == IOMMU_GET_HW_INFO) {
        fake_info(arg, room);
    }
    if (!ret && request == IOMMU_VEVENTQ_ALLOC) {
        event_fd = ((struct iommu_veventq_alloc *)arg)->out_veventq_fd;
    }
    return ret;
}

/* An event that was lost has a header that says so, and no data */
ssize_t read(int fd, void *buf, size_t size)
{
    const size_t event_size = sizeof(struct iommufd_vevent_header) +
                              sizeof(struct iommu_vevent_arm_smmuv3);
    static long count;
    ssize_t len = next_read(fd, buf, size);
    struct iommufd_vevent_header *header;
    char *data;

    if (fd != event_fd || !number("LOSE_EVENT")) {
        return len;
    }
    for (ssize_t pos = 0; pos + (ssize_t)event_size <= len; pos += event_size) {
        if (++count != number("LOSE_EVENT")) {
            continue;
        }
        header = (void *)((char *)buf + pos);
        header->flags |= IOMMU_VEVENTQ_FLAG_LOST_EVENTS;
        data = (char *)(header + 1);
        memmove(data, (char *)buf + pos + event_size, len - pos - event_size);
        return len - sizeof(struct iommu_vevent_arm_smmuv3);
    }
    return len;
}
