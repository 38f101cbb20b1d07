/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A preloaded library between a process and the kernel's iommufd, VFIO and KVM
 *
 * It counts the calls, and a configuration file says which of them fail, are
 * kept back, are late, or get other arguments or answers. INTERPOSE=FILE names
 * it; without this variable the library does nothing.
 *
 * This file has the libc functions that are wrapped, and the way of a call
 * through the others: its kind (interpose-fd.c, interpose-kind.c), the rules
 * that it is shown to (interpose-rules.c), what they do to it
 * (interpose-alter.c). interpose-config.c has the grammar of the rules,
 * interpose-count.c the counters.
 */

#define _GNU_SOURCE
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include "interpose.h"

static bool active;

static __attribute__((constructor)) void setup(void)
{
    const char *path = getenv("INTERPOSE");

    if (!path) {
        return;
    }
    init_counters();
    make_heads();
    read_config(path);
    note_rules();
    __atomic_store_n(&active, true, __ATOMIC_RELEASE);
}

static int our_ioctl(int fd, unsigned long request, void *arg, size_t row)
{
    const IoctlName *name = &ioctl_names[row];
    Call call = { .row = row, .sub = NO_ROW, .arg = arg };
    Before before = { 0 };
    int ret = 0, err = errno;

    call.size = struct_size(row, arg);
    call.sub = find_subkind(row, &call);
    if (name->request == IOMMU_HWPT_INVALIDATE &&
        call.size >= sizeof(*before.inv)) {
        before.inv = arg;
        before.entries = before.inv->data_uptr;
        call.items = before.inv->entry_num;
    }
    consult(&call);
    if (!call.end || (call.end->action == FAIL && call.end->call)) {
        prepare(name->request, &call, &before);
        errno = err;
        ret = NEXT(ioctl)(fd, request, arg);
        err = errno;
        if (before.copy) {
            before.inv->data_uptr = before.entries;
            free(before.copy);
        }
        if (ret >= 0) {
            learn(name, arg, ret);
        } else if (err == EEXIST && is_mapped_still(name)) {
            ret = 0;
        }
    }
    if (call.end) {
        if (call.end->action == FAIL) {
            if (before.inv) {
                before.inv->entry_num = call.end->done;
            }
            err = call.end->err;
            ret = -1;
        } else {
            drop(name->name);
        }
    } else if (ret >= 0) {
        alter_answer(&call, &before);
    }
    finish(&call, ret < 0);
    errno = err;
    return ret;
}

int ioctl(int fd, unsigned long request, ...)
{
    uint32_t type = _IOC_TYPE((uint32_t)request);
    size_t row = NO_ROW;
    va_list ap;
    void *arg;

    va_start(ap, request);
    arg = va_arg(ap, void *);
    va_end(ap);

    if (load_flag(&active) && (type == IOMMUFD_TYPE || type == KVMIO)) {
        row = row_of_ioctl(fd, request);
    }
    if (row == NO_ROW) {
        return NEXT(ioctl)(fd, request, arg);
    }
    return our_ioctl(fd, request, arg, row);
}

/* mmap, read, pread */

/* What conditions of their rules see */
typedef struct Range {
    uint64_t offset, length;
} Range;

static bool is_ours(int fd)
{
    return load_flag(&active) && fd >= 0 && class_of(fd) >= FIRST_CLASS;
}

/* The call as it begins: is it to be made? */
static bool begin(Call *call, size_t rows, int fd, Range *range)
{
    *call = (Call) {
        .row = rows + class_of(fd) - FIRST_CLASS,
        .sub = NO_ROW,
        .arg = range,
        .size = sizeof(*range),
    };
    consult(call);
    return !call->end || (call->end->action == FAIL && call->end->call);
}

typedef void *MmapFn(void *addr, size_t length, int prot, int flags, int fd,
                     off64_t offset);

static void *any_mmap(MmapFn *next, void *addr, size_t length, int prot,
                      int flags, int fd, off64_t offset)
{
    Range range = { .offset = offset, .length = length };
    void *map = MAP_FAILED;
    int err = errno;
    Call call;

    if (flags & MAP_ANONYMOUS || !is_ours(fd)) {
        return next(addr, length, prot, flags, fd, offset);
    }
    if (begin(&call, ROW_MMAP, fd, &range)) {
        errno = err;
        map = next(addr, length, prot, flags, fd, offset);
        err = errno;
    }
    if (call.end) {
        if (map != MAP_FAILED) {
            munmap(map, length);
            map = MAP_FAILED;
        }
        err = call.end->err;
    }
    finish(&call, map == MAP_FAILED);
    errno = err;
    return map;
}

void *mmap(void *addr, size_t length, int prot, int flags, int fd, off_t offset)
{
    return any_mmap(NEXT(mmap), addr, length, prot, flags, fd, offset);
}

void *mmap64(void *addr, size_t length, int prot, int flags, int fd,
             off64_t offset)
{
    return any_mmap(NEXT(mmap64), addr, length, prot, flags, fd, offset);
}

typedef ssize_t PreadFn(int fd, void *buf, size_t size, off64_t offset);

/* @next is NULL for read() */
static ssize_t any_read(PreadFn *next, int fd, void *buf, size_t size,
                        off64_t offset)
{
    Range range = { .offset = offset, .length = size };
    ssize_t len = -1;
    int err = errno;
    Call call;

    if (!is_ours(fd)) {
        return next ? next(fd, buf, size, offset) : NEXT(read)(fd, buf, size);
    }
    if (begin(&call, next ? ROW_PREAD : ROW_READ, fd, &range)) {
        errno = err;
        len = next ? next(fd, buf, size, offset) : NEXT(read)(fd, buf, size);
        err = errno;
    }
    if (call.end) {
        len = call.end->action == FAIL ? -1 : 0;
        err = call.end->action == FAIL ? call.end->err : err;
    } else if (len > 0) {
        len = alter_read(&call, fd, buf, len, offset);
    }
    finish(&call, len < 0);
    errno = err;
    return len;
}

ssize_t read(int fd, void *buf, size_t size)
{
    return any_read(NULL, fd, buf, size, 0);
}

ssize_t pread(int fd, void *buf, size_t size, off_t offset)
{
    return any_read(NEXT(pread), fd, buf, size, offset);
}

ssize_t pread64(int fd, void *buf, size_t size, off64_t offset)
{
    return any_read(NEXT(pread64), fd, buf, size, offset);
}

/* What _FORTIFY_SOURCE makes of them if the size of the buffer is known */
ssize_t __read_chk(int fd, void *buf, size_t size, size_t room)
{
    if (size > room) {
        abort();
    }
    return read(fd, buf, size);
}

ssize_t __pread_chk(int fd, void *buf, size_t size, off_t offset, size_t room)
{
    if (size > room) {
        abort();
    }
    return pread(fd, buf, size, offset);
}

ssize_t __pread64_chk(int fd, void *buf, size_t size, off64_t offset,
                      size_t room)
{
    if (size > room) {
        abort();
    }
    return pread64(fd, buf, size, offset);
}

/* What closes file descriptors */

int close(int fd)
{
    forget(fd);
    return NEXT(close)(fd);
}

int fclose(FILE *f)
{
    forget(fileno(f));
    return NEXT(fclose)(f);
}

int dup2(int fd, int to)
{
    int ret = NEXT(dup2)(fd, to);

    if (to != fd) {
        forget(to);
    }
    return ret;
}

int dup3(int fd, int to, int flags)
{
    int ret = NEXT(dup3)(fd, to, flags);

    forget(to);
    return ret;
}

int close_range(unsigned first, unsigned last, int flags)
{
    for (unsigned fd = first; fd <= last && fd < FD_LIMIT; fd++) {
        forget(fd);
    }
    return NEXT(close_range)(first, last, flags);
}

void closefrom(int first)
{
    for (int fd = first < 0 ? 0 : first; fd < FD_LIMIT; fd++) {
        forget(fd);
    }
    NEXT(closefrom)(first);
}
