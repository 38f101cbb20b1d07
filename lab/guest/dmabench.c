/*
 * Times reads of a block device
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 *   dmabench DEVICE BYTES COUNT
 *
 * Makes COUNT reads of BYTES each, with O_DIRECT and one after the other, at
 * places that go through the device. Prints the median and the mean of their
 * times in nanoseconds. The median is for comparisons: a machine that is busy
 * for a moment moves the mean.
 */

#define _GNU_SOURCE
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define ALIGNMENT 4096

static uint64_t now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * UINT64_C(1000000000) + t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

int main(int argc, char **argv)
{
    uint64_t *times, total = 0;
    size_t bytes;
    long count;
    off_t size;
    void *buffer;
    int fd;

    if (argc != 4 || sscanf(argv[2], "%zu", &bytes) != 1 ||
        sscanf(argv[3], "%li", &count) != 1) {
        fprintf(stderr, "usage: dmabench DEVICE BYTES COUNT\n");
        return 2;
    }
    fd = open(argv[1], O_RDONLY | O_DIRECT);
    if (fd < 0) {
        perror(argv[1]);
        return 1;
    }
    size = lseek(fd, 0, SEEK_END);
    if (count < 1 || bytes < ALIGNMENT || bytes % ALIGNMENT ||
        size < (off_t)bytes ||
        posix_memalign(&buffer, ALIGNMENT, bytes)) {
        fprintf(stderr, "%s %s are no sizes for %s\n", argv[2], argv[3],
                argv[1]);
        return 1;
    }
    times = calloc(count, sizeof(*times));
    if (!times) {
        perror("calloc");
        return 1;
    }
    for (long i = 0; i < count; i++) {
        off_t where = (i * (off_t)bytes) % (size - bytes + ALIGNMENT);
        uint64_t begin = now();

        if (pread(fd, buffer, bytes, where) != (ssize_t)bytes) {
            perror(argv[1]);
            return 1;
        }
        times[i] = now() - begin;
        total += times[i];
    }
    qsort(times, count, sizeof(*times), compare);
    printf("%" PRIu64 " %" PRIu64 "\n", times[count / 2], total / count);
    return 0;
}
