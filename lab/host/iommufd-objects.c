/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The objects that a process has in iommufd, as the kernel sees them
 *
 *   iommufd-objects PID
 *
 * Prints "FD ID TYPE" for each object behind each /dev/iommu that the process
 * has open, then "FD ID free" with the ID that its next object would get.
 * Types are ioas, device, paging, nested, viommu, and other for those that no
 * request can tell without changing them (vDEVICE, vEVENTQ, HW queue, fault
 * queue, access).
 *
 * The process' own files are asked, by way of pidfd_getfd(). Requests look an
 * ID up before anything else, and are made such that they go no further:
 * ENOENT is "not there", and any other answer is "there". The kernel gives out
 * the lowest ID that is free, so IDs are small: each up to SCAN is tried. The
 * free ID is that of an IOAS that is made and destroyed at once; it is above a
 * gap if the kernel still reserves the IDs there.
 */

#include <dirent.h>
#include <errno.h>
#include <linux/iommufd.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SCAN 1024

/* The errno of a request, or 0 */
static int answer(int fd, unsigned long request, void *arg)
{
    return ioctl(fd, request, arg) ? errno : 0;
}

/* Looks up any type; without entries there is nothing to invalidate */
static int ask_any(int fd, uint32_t id)
{
    struct iommu_hwpt_invalidate cmd = { .size = sizeof(cmd), .hwpt_id = id };

    return answer(fd, IOMMU_HWPT_INVALIDATE, &cmd);
}

static int ask_ioas(int fd, uint32_t id)
{
    struct iommu_ioas_iova_ranges cmd = { .size = sizeof(cmd), .ioas_id = id };

    return answer(fd, IOMMU_IOAS_IOVA_RANGES, &cmd);
}

static int ask_device(int fd, uint32_t id)
{
    struct iommu_hw_info cmd = { .size = sizeof(cmd), .dev_id = id };

    return answer(fd, IOMMU_GET_HW_INFO, &cmd);
}

/* An empty range is EINVAL */
static int ask_paging(int fd, uint32_t id)
{
    struct iommu_hwpt_get_dirty_bitmap cmd = {
        .size = sizeof(cmd), .flags = IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR,
        .hwpt_id = id,
    };

    return answer(fd, IOMMU_HWPT_GET_DIRTY_BITMAP, &cmd);
}

/* No vIOMMU knows this type of queue */
static int ask_viommu(int fd, uint32_t id)
{
    struct iommu_hw_queue_alloc cmd = {
        .size = sizeof(cmd), .viommu_id = id, .type = UINT32_MAX, .length = 1,
    };

    return answer(fd, IOMMU_HW_QUEUE_ALLOC, &cmd);
}

static const char *type_of(int fd, uint32_t id, int any)
{
    if (ask_ioas(fd, id) != ENOENT) {
        return "ioas";
    } else if (ask_device(fd, id) != ENOENT) {
        return "device";
    } else if (ask_paging(fd, id) != ENOENT) {
        return "paging";
    } else if (ask_viommu(fd, id) != ENOENT) {
        return "viommu";
    }
    /* What has invalidations, but not by itself */
    return any == EOPNOTSUPP ? "nested" : "other";
}

static bool print_free(int fd, int number)
{
    struct iommu_ioas_alloc alloc = { .size = sizeof(alloc) };
    struct iommu_destroy destroy = { .size = sizeof(destroy) };

    if (ioctl(fd, IOMMU_IOAS_ALLOC, &alloc)) {
        perror("IOMMU_IOAS_ALLOC");
        return false;
    }
    destroy.id = alloc.out_ioas_id;
    if (ioctl(fd, IOMMU_DESTROY, &destroy)) {
        perror("IOMMU_DESTROY");
        return false;
    }
    printf("%d %u free\n", number, alloc.out_ioas_id);
    return true;
}

static bool print_objects(int pidfd, int number)
{
    int fd = syscall(SYS_pidfd_getfd, pidfd, number, 0);
    bool good;

    if (fd < 0) {
        perror("pidfd_getfd");
        return false;
    }
    for (uint32_t id = 1; id <= SCAN; id++) {
        int any = ask_any(fd, id);

        if (any != ENOENT) {
            printf("%d %u %s\n", number, id, type_of(fd, id, any));
        }
    }
    good = print_free(fd, number);
    close(fd);
    return good;
}

int main(int argc, char **argv)
{
    char path[64], link[64];
    int pid, pidfd, ret = 0;
    struct dirent *entry;
    DIR *fds;

    if (argc != 2 || sscanf(argv[1], "%d", &pid) != 1) {
        fprintf(stderr, "usage: iommufd-objects PID\n");
        return 2;
    }
    snprintf(path, sizeof(path), "/proc/%d/fd", pid);
    pidfd = syscall(SYS_pidfd_open, pid, 0);
    fds = opendir(path);
    if (pidfd < 0 || !fds) {
        perror(path);
        return 1;
    }
    while ((entry = readdir(fds))) {
        ssize_t len = readlinkat(dirfd(fds), entry->d_name, link,
                                 sizeof(link) - 1);

        if (len < 0) {
            continue;
        }
        link[len] = '\0';
        if (!strcmp(link, "/dev/iommu") &&
            !print_objects(pidfd, atoi(entry->d_name))) {
            ret = 1;
        }
    }
    return ret;
}
