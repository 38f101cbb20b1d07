/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What rules do to the arguments and the answers of calls
 */

#define _GNU_SOURCE
#include <limits.h>
#include <stdlib.h>
#include "interpose.h"

#define MIN(a, b) ((a) < (b) ? (a) : (b))

/* Fields */

static uint64_t get_field(const uint8_t *data, const Field *field)
{
    uint64_t value = 0;

    memcpy(&value, data + field->offset, field->size);
    return value;
}

static bool fits(const Field *field, size_t len)
{
    return field->offset + field->size <= len;
}

bool meets(const Fields *fields, const void *data, size_t len)
{
    for (unsigned i = 0; i < fields->nr; i++) {
        const Field *field = &fields->field[i];

        if (!fits(field, len) ||
            (get_field(data, field) & field->mask) != field->value) {
            return false;
        }
    }
    return true;
}

/* Was anything changed? */
static bool set_fields(const Fields *fields, void *data, size_t len)
{
    bool changed = false;

    for (unsigned i = 0; i < fields->nr; i++) {
        const Field *field = &fields->field[i];
        uint64_t value;

        if (fits(field, len)) {
            value = (get_field(data, field) & ~field->mask) | field->value;
            memcpy((uint8_t *)data + field->offset, &value, field->size);
            changed = true;
        }
    }
    return changed;
}

/* Arguments */

void alter_before(Rule *rule, Call *call)
{
    if (rule->eof) {
        hit(rule, call);
        call->end = rule;
    } else {
        if (set_fields(&rule->in, call->arg, call->size)) {
            hit(rule, call);
        }
        call->chosen |= bit_of(rule);
    }
}

/* The copy is of all entries, for all rules */
static bool copy_entries(Before *before, size_t len)
{
    if (!before->copy) {
        before->copy = malloc(len);
        if (!before->copy) {
            return false;
        }
        memcpy(before->copy, (void *)(uintptr_t)before->entries, len);
        before->inv->data_uptr = (uintptr_t)before->copy;
    }
    return true;
}

static void alter_entries(Rule *rule, Call *call, Before *before)
{
    size_t len = before->inv->entry_len;
    uint32_t nr = before->inv->entry_num;

    if (!len || !nr || !copy_entries(before, len * nr)) {
        return;
    }
    for (uint32_t i = 0; i < nr; i++) {
        uint8_t *entry = (uint8_t *)before->copy + i * len;

        if (meets(&rule->entrywhere, entry, len) && choose(rule)) {
            if (set_fields(&rule->entry, entry, len)) {
                hit_item(rule, call);
            } else {
                give_back(rule);
            }
        }
    }
}

void prepare(uint32_t request, Call *call, Before *before)
{
    uint64_t left = call->chosen, address;
    size_t uptr, len;

    if (request == IOMMU_HWPT_INVALIDATE && before->inv) {
        while (left && !call->end) {
            Rule *rule = next_rule(&left);

            if (rule->entry.nr) {
                alter_entries(rule, call, before);
            }
        }
    } else if (data_place(request, &uptr, &len) &&
               call->size >= uptr + sizeof(uint64_t)) {
        memcpy(&address, (uint8_t *)call->arg + uptr, sizeof(address));
        before->data = (void *)(uintptr_t)address;
        before->data_len = address ? get_u32(call, len) : 0;
    }
}

/* Answers of requests */

/* As vfio_info_add_capability() and its callers leave it */
static bool set_caps(const Rule *rule, Call *call)
{
    uint32_t argsz, flags, cap_offset = 0;
    InfoPlace info;

    if (!info_place(request_of(call->row), call->row, &info) ||
        call->size < info.cap_offset + sizeof(cap_offset)) {
        return false;
    }
    argsz = call->size;
    flags = get_u32(call, sizeof(argsz)) | info.flag;
    if (argsz < info.size + rule->caps_len) {
        argsz = info.size + rule->caps_len;
    } else {
        cap_offset = info.size;
        memcpy((uint8_t *)call->arg + info.size, rule->caps, rule->caps_len);
    }
    memcpy(call->arg, &argsz, sizeof(argsz));
    memcpy((uint8_t *)call->arg + sizeof(argsz), &flags, sizeof(flags));
    memcpy((uint8_t *)call->arg + info.cap_offset, &cap_offset,
           sizeof(cap_offset));
    return true;
}

void alter_answer(Call *call, const Before *before)
{
    uint64_t left = call->chosen;

    while (left) {
        Rule *rule = next_rule(&left);
        bool changed = false;

        if (meets(&rule->outwhere, call->arg, call->size)) {
            changed |= set_fields(&rule->out, call->arg, call->size);
            changed |= set_fields(&rule->data, before->data, before->data_len);
            changed |= rule->caps && set_caps(rule, call);
        }
        if (changed) {
            hit(rule, call);
        }
    }
}

static bool iommufd_unmap_dropped, vfio_unmap_dropped;

static bool *dropped_unmaps(const char *name)
{
    return begins(name, "IOMMU_") ? &iommufd_unmap_dropped :
                                    &vfio_unmap_dropped;
}

/* Keep a call back */
void drop(const char *name)
{
    if (!strcmp(name, "IOMMU_IOAS_UNMAP") ||
        !strcmp(name, "VFIO_IOMMU_UNMAP_DMA")) {
        __atomic_store_n(dropped_unmaps(name), true, __ATOMIC_RELAXED);
    }
}

/* Does a map fail only because an unmap was kept back? */
bool is_mapped_still(const IoctlName *name)
{
    return (!strcmp(name->name, "IOMMU_IOAS_MAP") ||
            !strcmp(name->name, "IOMMU_IOAS_MAP_FILE") ||
            !strcmp(name->name, "VFIO_IOMMU_MAP_DMA")) &&
           load_flag(dropped_unmaps(name->name));
}

/* What is read */

/* The bytes of a register that are in what was read at @offset */
static bool set_config(const Field *field, uint8_t *buf, size_t len,
                       uint64_t offset)
{
    bool changed = false;

    for (uint32_t i = 0; i < field->size; i++) {
        uint64_t at = (uint64_t)field->offset + i - offset;

        if (at < len) {
            buf[at] = (buf[at] & ~(field->mask >> (i * 8))) |
                      field->value >> (i * 8);
            changed = true;
        }
    }
    return changed;
}

#define REGION_SHIFT 40

static bool alter_config(const Rule *rule, uint8_t *buf, size_t len,
                         uint64_t offset)
{
    bool changed = false;

    if (offset >> REGION_SHIFT != VFIO_PCI_CONFIG_REGION_INDEX) {
        return false;
    }
    offset &= (UINT64_C(1) << REGION_SHIFT) - 1;
    for (unsigned i = 0; i < rule->config.nr; i++) {
        changed |= set_config(&rule->config.field[i], buf, len, offset);
    }
    return changed;
}

/* The length of an event with its header; that of a lost one has no data */
static size_t event_size(int fd, const struct iommufd_vevent_header *header)
{
    if (header->flags & IOMMU_VEVENTQ_FLAG_LOST_EVENTS) {
        return sizeof(*header);
    }
    return sizeof(*header) +
           (type_of(fd) == IOMMU_VEVENTQ_TYPE_TEGRA241_CMDQV ?
            sizeof(struct iommu_vevent_tegra241_cmdqv) :
            sizeof(struct iommu_vevent_arm_smmuv3));
}

/* Does a rule say that this event was lost? */
static bool is_lost(Call *call)
{
    uint64_t left = call->chosen;
    bool lost = false;

    while (left) {
        Rule *rule = next_rule(&left);

        if (rule->lost) {
            add(&row_of(rule)->calls, 1);
            if (__atomic_add_fetch(&rule->events, 1, __ATOMIC_RELAXED) ==
                rule->lost) {
                hit_item(rule, call);
                lost = true;
            }
        }
    }
    return lost;
}

static ssize_t alter_events(Call *call, int fd, uint8_t *buf, ssize_t len)
{
    uint32_t gap = fd < FD_LIMIT ? gaps[fd] : 0;
    struct iommufd_vevent_header *header;
    ssize_t pos = 0, size, end;

    while (len - pos >= (ssize_t)sizeof(*header)) {
        header = (void *)(buf + pos);
        size = event_size(fd, header);
        end = pos + size;
        if (end > len) {
            break;
        }
        header->sequence = (header->sequence + gap) & INT_MAX;
        if (size > (ssize_t)sizeof(*header) && is_lost(call)) {
            header->flags |= IOMMU_VEVENTQ_FLAG_LOST_EVENTS;
            memmove(header + 1, buf + end, len - end);
            size -= sizeof(*header);
            len -= size;
            end -= size;
        }
        pos = end;
    }
    return len;
}

ssize_t alter_read(Call *call, int fd, uint8_t *buf, ssize_t len,
                   uint64_t offset)
{
    uint64_t left = call->chosen;
    bool events = call->row == ROW_READ + CLASS_VEVENTQ - FIRST_CLASS;
    bool cut = false;
    ssize_t most = len;

    while (left) {
        Rule *rule = next_rule(&left);
        bool changed = rule->config.nr && alter_config(rule, buf, len, offset);

        if (rule->gap && fd < FD_LIMIT && len > 0) {
            gaps[fd] += rule->gap;
            changed = true;
        }
        if (rule->shortened && rule->shortened < (uint64_t)most) {
            most = rule->shortened;
            changed = cut = true;
        }
        if (changed) {
            hit(rule, call);
        }
    }
    if (events) {
        len = alter_events(call, fd, buf, len);
    }
    return cut ? MIN(len, most) : len;
}
