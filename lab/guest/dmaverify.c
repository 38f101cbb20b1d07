/*
 * dmaverify: does what a device reads and writes by DMA end up where it belongs
 *
 * One program for both sides of the lab: the guest runs it on the block device,
 * the host on the file behind that device.
 *
 *   dmaverify fill FILE BYTES SEED    write a file that holds the first pattern
 *   dmaverify dump DEVICE             copy the device to stdout, by DMA
 *   dmaverify run DEVICE SEED OPS     random reads and writes, then read it all
 *   dmaverify reads DEVICE BYTES N    N reads of BYTES into one buffer, by DMA
 *   dmaverify expect FILE SEED OPS    compare a file with what "run" must leave
 *
 * Every 8-byte word holds its own place on the device and the number of the
 * operation that wrote it, so that a wrong word tells where it came from. The
 * operations follow from SEED alone: both sides know all of them.
 *
 * A missed invalidation lets the device use the pages of an earlier buffer.
 * Three things make that visible: every operation gets a buffer of its own
 * (fresh pages, hence a new mapping at a recently used IOVA); buffers live on
 * for a while (so that the device cannot meet the right pages by chance); and
 * they are checked once more before they go (so that a DMA write to an old
 * buffer is seen as well).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BLOCK           4096
#define BLOCK_WORDS     (BLOCK / sizeof(uint64_t))
#define MAX_BLOCKS      64              /* 256 KiB a request */
#define KEEP            16              /* buffers that live on */
#define PLACE_BITS      40
#define POISON          0xdeadbeefdeadbeefULL

typedef struct Request {
    bool write;
    uint64_t start;                     /* in blocks, as is len */
    uint64_t len;
} Request;

typedef struct Model {
    uint64_t key;
    uint64_t prng;
    uint64_t nb_blocks;
    uint32_t *writer;                   /* per block; 0: the first pattern */
} Model;

typedef struct Buffer {
    uint64_t *words;
    uint64_t start;
    uint64_t len;
    uint32_t writer[MAX_BLOCKS];
} Buffer;

static Buffer kept[KEEP];
static unsigned int next_kept;

/* A result like the others ("key=value"), but on stderr, and the last one */
static __attribute__((noreturn, format(printf, 1, 2)))
void fail(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    exit(EXIT_FAILURE);
}

static uint64_t parse(const char *number)
{
    uint64_t value;
    char rest;

    if (sscanf(number, "%" SCNu64 "%c", &value, &rest) != 1) {
        fail("error=not a number: %s", number);
    }
    return value;
}

static uint64_t now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1000ULL + ts.tv_nsec / 1000000;
}

static uint64_t model_random(Model *m)
{
    /* A 64-bit linear congruence; its low bits are poor, so they are mixed */
    m->prng = m->prng * 6364136223846793005ULL + 1442695040888963407ULL;
    return (m->prng ^ (m->prng >> 29)) >> 16;
}

static void model_init(Model *m, uint64_t bytes, const char *seed)
{
    m->prng = parse(seed);
    m->key = model_random(m) << 16 | 0x5a5a;
    m->nb_blocks = bytes / BLOCK;
    m->writer = calloc(m->nb_blocks, sizeof(*m->writer));
    if (m->nb_blocks < MAX_BLOCKS || !m->writer) {
        fail("error=cannot work on %" PRIu64 " bytes", bytes);
    }
}

static Request model_next(Model *m)
{
    Request r;

    r.write = model_random(m) & 1;
    r.len = 1 + model_random(m) % MAX_BLOCKS;
    r.start = model_random(m) % (m->nb_blocks - r.len + 1);
    return r;
}

static void model_write(Model *m, const Request *r, uint32_t writer)
{
    for (uint64_t i = 0; i < r->len; i++) {
        m->writer[r->start + i] = writer;
    }
}

static uint64_t model_word(const Model *m, uint64_t block, uint64_t index,
                           uint32_t writer)
{
    uint64_t place = block * BLOCK_WORDS + index;

    return ((uint64_t)writer << PLACE_BITS | place) ^ m->key;
}

static void describe(const Model *m, uint64_t word, char *text, size_t size)
{
    uint64_t place = (word ^ m->key) & ((1ULL << PLACE_BITS) - 1);
    uint64_t writer = (word ^ m->key) >> PLACE_BITS;

    if (word == POISON) {
        snprintf(text, size, "memory that no DMA has reached");
    } else if (place / BLOCK_WORDS < m->nb_blocks) {
        snprintf(text, size, "word %" PRIu64 " of block %" PRIu64
                 " as of operation %" PRIu64,
                 (uint64_t)(place % BLOCK_WORDS),
                 (uint64_t)(place / BLOCK_WORDS), writer);
    } else {
        snprintf(text, size, "no pattern of ours");
    }
}

static void check_block(const Model *m, const uint64_t *words, uint64_t block,
                        uint32_t writer, const char *when)
{
    for (uint64_t i = 0; i < BLOCK_WORDS; i++) {
        uint64_t want = model_word(m, block, i, writer);

        if (words[i] != want) {
            char text[128];

            describe(m, words[i], text, sizeof(text));
            fail("wrong_data=%s, word %" PRIu64 " of block %" PRIu64
                 " as of operation %" PRIu32 ": want 0x%016" PRIx64
                 ", found 0x%016" PRIx64 " (%s)",
                 when, i, block, writer, want, words[i], text);
        }
    }
}

static void buffer_check(const Model *m, const Buffer *b, const char *when)
{
    for (uint64_t i = 0; i < b->len; i++) {
        check_block(m, b->words + i * BLOCK_WORDS, b->start + i, b->writer[i],
                    when);
    }
}

/* A buffer on fresh pages; the one whose place it takes is given back */
static Buffer *buffer_new(const Model *m, uint64_t start, uint64_t len)
{
    Buffer *b = &kept[next_kept++ % KEEP];

    if (b->words) {
        if (m) {
            buffer_check(m, b, "in the memory of an earlier request");
        }
        munmap(b->words, b->len * BLOCK);
    }
    b->start = start;
    b->len = len;
    b->words = mmap(NULL, len * BLOCK, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (b->words == MAP_FAILED) {
        fail("error=out of memory");
    }
    for (uint64_t i = 0; i < len * BLOCK_WORDS; i++) {
        b->words[i] = POISON;
    }
    return b;
}

static void buffer_fill(const Model *m, Buffer *b)
{
    for (uint64_t i = 0; i < b->len; i++) {
        for (uint64_t j = 0; j < BLOCK_WORDS; j++) {
            b->words[i * BLOCK_WORDS + j] =
                model_word(m, b->start + i, j, b->writer[i]);
        }
    }
}

static void transfer(int fd, bool write, Buffer *b)
{
    ssize_t bytes = b->len * BLOCK;
    off_t offset = b->start * BLOCK;
    ssize_t ret = write ? pwrite(fd, b->words, bytes, offset)
                        : pread(fd, b->words, bytes, offset);

    if (ret != bytes) {
        fail("io_error=%s of %zd bytes at block %" PRIu64 ": %s",
             write ? "write" : "read", bytes, b->start,
             ret < 0 ? strerror(errno) : "short");
    }
}

static void read_and_check(int fd, const Model *m, uint64_t start, uint64_t len,
                           const char *when)
{
    Buffer *b = buffer_new(m, start, len);

    memcpy(b->writer, m->writer + start, len * sizeof(*b->writer));
    transfer(fd, false, b);
    buffer_check(m, b, when);
}

static void write_pattern(int fd, const Model *m, uint64_t start, uint64_t len)
{
    Buffer *b = buffer_new(m, start, len);

    memcpy(b->writer, m->writer + start, len * sizeof(*b->writer));
    buffer_fill(m, b);
    transfer(fd, true, b);
}

static int open_sized(const char *path, int flags, uint64_t *bytes)
{
    int fd = open(path, flags);
    off_t size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);

    if (size < 0) {
        fail("error=%s: %s", path, strerror(errno));
    }
    *bytes = size;
    return fd;
}

static void cmd_fill(const char *path, const char *size, const char *seed)
{
    int fd = open(path, O_CREAT | O_TRUNC | O_RDWR, 0666);
    Model m;

    if (fd < 0) {
        fail("error=%s: %s", path, strerror(errno));
    }
    model_init(&m, parse(size), seed);
    for (uint64_t i = 0; i < m.nb_blocks; i += MAX_BLOCKS) {
        uint64_t left = m.nb_blocks - i;

        write_pattern(fd, &m, i, left < MAX_BLOCKS ? left : MAX_BLOCKS);
    }
}

static void cmd_dump(const char *path)
{
    uint64_t bytes;
    int fd = open_sized(path, O_RDONLY | O_DIRECT, &bytes);

    for (uint64_t i = 0; i < bytes / BLOCK; i += MAX_BLOCKS) {
        uint64_t left = bytes / BLOCK - i;
        Buffer *b = buffer_new(NULL, i, left < MAX_BLOCKS ? left : MAX_BLOCKS);

        transfer(fd, false, b);
        if (fwrite(b->words, BLOCK, b->len, stdout) != b->len) {
            exit(EXIT_FAILURE);
        }
    }
}

static void cmd_run(const char *path, const char *seed, uint32_t nb_ops)
{
    uint64_t bytes, began, read = 0, written = 0;
    int fd = open_sized(path, O_RDWR | O_DIRECT, &bytes);
    Model m;

    model_init(&m, bytes, seed);
    began = now_ms();
    for (uint32_t op = 1; op <= nb_ops; op++) {
        Request r = model_next(&m);
        char when[64];

        snprintf(when, sizeof(when), "operation %" PRIu32, op);
        if (r.write) {
            model_write(&m, &r, op);
            write_pattern(fd, &m, r.start, r.len);
            written += r.len * BLOCK;
        } else {
            read_and_check(fd, &m, r.start, r.len, when);
            read += r.len * BLOCK;
        }
    }
    printf("operations=%" PRIu32 "\nbytes_written=%" PRIu64 "\n"
           "bytes_read=%" PRIu64 "\nrandom_ms=%" PRIu64 "\n",
           nb_ops, written, read, now_ms() - began);

    began = now_ms();
    for (uint64_t i = 0; i < m.nb_blocks; i += MAX_BLOCKS) {
        uint64_t left = m.nb_blocks - i;

        read_and_check(fd, &m, i, left < MAX_BLOCKS ? left : MAX_BLOCKS,
                       "in the end");
    }
    /* Those that are still there may have been hit as well */
    for (int i = 0; i < KEEP; i++) {
        buffer_check(&m, &kept[i], "in the memory of an earlier request");
    }
    printf("bytes_verified=%" PRIu64 "\nfinal_ms=%" PRIu64 "\n",
           read + m.nb_blocks * BLOCK, now_ms() - began);
}

static void cmd_reads(const char *path, uint64_t len, uint32_t n)
{
    uint64_t bytes, began, place = 0;
    int fd = open_sized(path, O_RDONLY | O_DIRECT, &bytes);
    Buffer *b;

    if (!n || len % BLOCK || !len || len > bytes || len > MAX_BLOCKS * BLOCK) {
        fail("error=cannot make %" PRIu32 " reads of %" PRIu64, n, len);
    }
    b = buffer_new(NULL, 0, len / BLOCK);
    began = now_ms();
    for (uint32_t i = 0; i < n; i++, place += len) {
        if (place + len > bytes) {
            place = 0;
        }
        b->start = place / BLOCK;
        transfer(fd, false, b);
    }
    printf("reads=%" PRIu32 "\nread_us=%" PRIu64 "\n",
           n, (now_ms() - began) * 1000 / n);
}

static void cmd_expect(const char *path, const char *seed, uint32_t nb_ops)
{
    uint64_t bytes;
    int fd = open_sized(path, O_RDONLY, &bytes);
    Model m;

    model_init(&m, bytes, seed);
    for (uint32_t op = 1; op <= nb_ops; op++) {
        Request r = model_next(&m);

        if (r.write) {
            model_write(&m, &r, op);
        }
    }
    for (uint64_t i = 0; i < m.nb_blocks; i++) {
        read_and_check(fd, &m, i, 1, "in the file");
    }
    printf("bytes_expected=%" PRIu64 "\n", m.nb_blocks * BLOCK);
}

int main(int argc, char **argv)
{
    const char *cmd = argc > 1 ? argv[1] : "";

    if (argc == 5 && !strcmp(cmd, "fill")) {
        cmd_fill(argv[2], argv[3], argv[4]);
    } else if (argc == 3 && !strcmp(cmd, "dump")) {
        cmd_dump(argv[2]);
    } else if (argc == 5 && !strcmp(cmd, "run")) {
        cmd_run(argv[2], argv[3], parse(argv[4]));
    } else if (argc == 5 && !strcmp(cmd, "reads")) {
        cmd_reads(argv[2], parse(argv[3]), parse(argv[4]));
    } else if (argc == 5 && !strcmp(cmd, "expect")) {
        cmd_expect(argv[2], argv[3], parse(argv[4]));
    } else {
        fail("error=usage: dmaverify fill|dump|run|reads|expect ...");
    }
    return fflush(stdout) == 0 && !ferror(stdout) ? EXIT_SUCCESS : EXIT_FAILURE;
}
