/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the files of the interposer share: types, and functions by file
 *
 * All of it is hidden: the library exports the libc functions that it wraps,
 * and nothing else.
 */

#ifndef INTERPOSE_H
#define INTERPOSE_H

#include <dlfcn.h>
#include <errno.h>
#include <linux/iommufd.h>
#include <linux/kvm.h>
#include <linux/vfio.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/types.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* The address of a function with this name behind this library */
#define NEXT(name)                                                      \
    ({                                                                  \
        static void *next_;                                             \
        void *fn_ = __atomic_load_n(&next_, __ATOMIC_RELAXED);          \
        if (!fn_) {                                                     \
            fn_ = dlsym(RTLD_NEXT, #name);                              \
            __atomic_store_n(&next_, fn_, __ATOMIC_RELAXED);            \
        }                                                               \
        (__typeof__(name) *)fn_;                                        \
    })

typedef enum FdClass {
    CLASS_UNKNOWN,
    CLASS_OTHER,
    CLASS_IOMMUFD,
    CLASS_VFIO_CONTAINER,
    CLASS_VFIO_GROUP,
    CLASS_VFIO_DEVICE,
    CLASS_KVM,
    CLASS_KVM_VM,
    CLASS_KVM_VCPU,
    CLASS_KVM_DEVICE,
    CLASS_VEVENTQ,
    CLASS_FAULT,
    CLASS_COUNT,
} FdClass;

#define FIRST_CLASS CLASS_IOMMUFD
#define FD_LIMIT 16384

#define ON_OTHER            (1u << CLASS_OTHER)
#define ON_IOMMUFD          (1u << CLASS_IOMMUFD)
#define ON_VFIO_CONTAINER   (1u << CLASS_VFIO_CONTAINER)
#define ON_VFIO_GROUP       (1u << CLASS_VFIO_GROUP)
#define ON_VFIO_DEVICE      (1u << CLASS_VFIO_DEVICE)
#define ON_KVM_VM           (1u << CLASS_KVM_VM)
#define ON_KVM_VCPU         (1u << CLASS_KVM_VCPU)
#define ON_KVM              (1u << CLASS_KVM | 1u << CLASS_KVM_DEVICE | \
                             ON_KVM_VM | ON_KVM_VCPU)

typedef struct IoctlName {
    const char *name;
    uint32_t request;
    uint32_t classes;
    bool plain;         /* the argument is no structure */
} IoctlName;

typedef struct Subkind {
    const char *name;
    uint32_t request;
    uint32_t value;
} Subkind;

typedef struct ErrnoName {
    const char *name;
    int value;
} ErrnoName;

#include "ioctl-names.h"

#define MAX_RULES 64
#define MAX_FIELDS 32

/* The rows of a counter file: requests, their types, pseudo kinds, rules */
#define NR_IOCTLS   ARRAY_SIZE(ioctl_names)
#define NR_SUBKINDS ARRAY_SIZE(subkinds)
#define NR_CLASSES  (CLASS_COUNT - FIRST_CLASS)
#define ROW_SUBKINDS NR_IOCTLS
#define ROW_MMAP    (ROW_SUBKINDS + NR_SUBKINDS)
#define ROW_READ    (ROW_MMAP + NR_CLASSES)
#define ROW_PREAD   (ROW_READ + NR_CLASSES)
#define ROW_RULES   (ROW_PREAD + NR_CLASSES)
#define NR_KINDS    ROW_RULES
#define NR_ROWS     (ROW_RULES + MAX_RULES)
#define NO_ROW      SIZE_MAX

typedef struct Header {
    char magic[8];
    uint32_t version;
    uint32_t row_size;
    uint32_t rows;
    uint32_t rules;     /* the most that a process had */
    uint8_t reserved[72];
} Header;

typedef struct Row {
    char name[64];
    uint64_t calls;     /* rules: calls that met the conditions */
    uint64_t failed;    /* calls that failed for the process */
    uint64_t items;     /* IOMMU_HWPT_INVALIDATE: entries; rules: hits */
    uint64_t altered;   /* calls that a rule has hit */
} Row;

typedef struct CounterFile {
    Header header;
    Row rows[NR_ROWS];
} CounterFile;

_Static_assert(sizeof(Header) == sizeof(Row), "the header has a row's place");

typedef struct Field {
    uint32_t offset, size;
    uint64_t mask, value;
} Field;

typedef struct Fields {
    Field field[MAX_FIELDS];
    unsigned nr;
} Fields;

typedef enum Action {
    FAIL,
    DROP,
    DELAY,
    ALTER,
} Action;

typedef struct Rule {
    size_t kind;
    Action action;
    Fields where;
    uint64_t first, every, times;
    int err;
    bool call, eof;
    uint64_t done, usec;
    Fields in, out, outwhere, data, entry, entrywhere, config;
    uint8_t *caps;
    size_t caps_len;
    uint64_t lost, gap, shortened;

    /* Changed by any thread */
    uint64_t met, taken, events;
} Rule;

/* A call on its way */
typedef struct Call {
    size_t row, sub;    /* sub: NO_ROW if there is none */
    void *arg;          /* the structure, and its size before the call */
    size_t size;
    uint64_t chosen;    /* rules that will alter the answer */
    uint64_t hits;      /* rules that have done something */
    Rule *end;          /* the rule that answers it */
    uint64_t items;
} Call;

/* An info structure that capabilities can follow */
typedef struct InfoPlace {
    size_t size, cap_offset;
    uint32_t flag;
} InfoPlace;

/* The argument of a call that may be altered, as it was */
typedef struct Before {
    struct iommu_hwpt_invalidate *inv;
    uint64_t entries;           /* its data_uptr */
    void *copy;
    uint8_t *data;
    size_t data_len;
} Before;

static inline void add(uint64_t *counter, uint64_t n)
{
    __atomic_fetch_add(counter, n, __ATOMIC_RELAXED);
}

static inline uint64_t load(const uint64_t *counter)
{
    return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

static inline bool load_flag(const bool *flag)
{
    return __atomic_load_n(flag, __ATOMIC_RELAXED);
}

static inline bool begins(const char *text, const char *start)
{
    return !strncmp(text, start, strlen(start));
}

#pragma GCC visibility push(hidden)

/* interpose-config.c */

_Noreturn void bad(const char *format, ...)
    __attribute__((format(printf, 1, 2)));
void read_config(const char *path);

/* interpose-count.c */

extern CounterFile *counters;

void init_counters(void);
void open_counters(const char *path);
void note_rules(void);

/* interpose-fd.c */

extern const char *const class_names[CLASS_COUNT];
extern uint32_t gaps[FD_LIMIT];         /* in the numbers of the events */

void forget(int fd);
FdClass class_now(int fd);
FdClass known_class(int fd);
FdClass class_of(int fd);
unsigned type_of(int fd);
void learn(const IoctlName *name, const void *arg, int ret);

/* interpose-kind.c */

void make_heads(void);
size_t row_of_ioctl(int fd, uint32_t request);
size_t find_row(const char *name);
bool is_ioctl(size_t kind);
bool is_read(size_t kind);
uint32_t request_of(size_t kind);
bool has_struct(size_t kind);
size_t struct_size(size_t row, const void *arg);
bool data_place(uint32_t request, size_t *uptr, size_t *len);
bool info_place(uint32_t request, size_t kind, InfoPlace *info);
uint32_t get_u32(const Call *call, size_t offset);
size_t find_subkind(size_t row, const Call *call);

/* interpose-rules.c */

extern Rule rules[MAX_RULES];
extern unsigned nr_rules;
extern uint64_t rules_of[NR_KINDS];     /* a bit for each rule */

Row *row_of(const Rule *rule);
uint64_t bit_of(const Rule *rule);
void hit_item(Rule *rule, Call *call);
void hit(Rule *rule, Call *call);
bool choose(Rule *rule);
void give_back(Rule *rule);
Rule *next_rule(uint64_t *left);
void consult(Call *call);
void finish(const Call *call, bool failed);

/* interpose-alter.c */

bool meets(const Fields *fields, const void *data, size_t len);
void alter_before(Rule *rule, Call *call);
void prepare(uint32_t request, Call *call, Before *before);
void alter_answer(Call *call, const Before *before);
void drop(const char *name);
bool is_mapped_still(const IoctlName *name);
ssize_t alter_read(Call *call, int fd, uint8_t *buf, ssize_t len,
                   uint64_t offset);

#pragma GCC visibility pop

#endif
