/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Kinds of calls: how a request is found, and what is where in its structure
 */

#include "interpose.h"

/* Requests by type and number, a list for each */
#define NR_HEADS 256
static size_t heads_of_kvm[NR_HEADS], heads_of_iommu[NR_HEADS];
static size_t next_of[NR_IOCTLS];

void make_heads(void)
{
    for (size_t i = 0; i < NR_HEADS; i++) {
        heads_of_kvm[i] = heads_of_iommu[i] = NO_ROW;
    }
    for (size_t i = 0; i < NR_IOCTLS; i++) {
        uint32_t request = ioctl_names[i].request;
        size_t *heads = _IOC_TYPE(request) == KVMIO ? heads_of_kvm :
                                                      heads_of_iommu;

        next_of[i] = heads[_IOC_NR(request)];
        heads[_IOC_NR(request)] = i;
    }
}

static size_t find_ioctl(uint32_t request, FdClass class)
{
    size_t *heads = _IOC_TYPE(request) == KVMIO ? heads_of_kvm : heads_of_iommu;
    size_t n = heads[_IOC_NR(request)];

    while (n != NO_ROW && (ioctl_names[n].request != request ||
                           !(ioctl_names[n].classes >> class & 1))) {
        n = next_of[n];
    }
    return n;
}

/* A class that does not know the request is looked at once more */
size_t row_of_ioctl(int fd, uint32_t request)
{
    FdClass class = known_class(fd);
    size_t row = NO_ROW;

    if (class >= FIRST_CLASS) {
        row = find_ioctl(request, class);
    }
    return row != NO_ROW ? row : find_ioctl(request, class_now(fd));
}

size_t find_row(const char *name)
{
    for (size_t i = 0; i < NR_KINDS; i++) {
        if (!strcmp(counters->rows[i].name, name)) {
            return i;
        }
    }
    return NO_ROW;
}

bool is_ioctl(size_t kind)
{
    return kind < ROW_MMAP;
}

bool is_read(size_t kind)
{
    return kind >= ROW_READ && kind < ROW_RULES;
}

uint32_t request_of(size_t kind)
{
    return kind < ROW_SUBKINDS ? ioctl_names[kind].request :
           kind < ROW_MMAP ? subkinds[kind - ROW_SUBKINDS].request : 0;
}

/* Is the argument a structure? Its size is in the request, or at its start. */
bool has_struct(size_t kind)
{
    if (kind >= ROW_SUBKINDS) {
        return is_ioctl(kind);
    }
    return !ioctl_names[kind].plain &&
           (_IOC_TYPE(request_of(kind)) != KVMIO ||
            _IOC_SIZE(request_of(kind)));
}

size_t struct_size(size_t row, const void *arg)
{
    uint32_t request = request_of(row), size;

    if (!arg || !has_struct(row)) {
        return 0;
    }
    if (_IOC_TYPE(request) == KVMIO) {
        return _IOC_SIZE(request);
    }
    memcpy(&size, arg, sizeof(size));
    return size;
}

/* Where a structure has its data_uptr and the length of that */
bool data_place(uint32_t request, size_t *uptr, size_t *len)
{
    switch (request) {
    case IOMMU_GET_HW_INFO:
        *uptr = offsetof(struct iommu_hw_info, data_uptr);
        *len = offsetof(struct iommu_hw_info, data_len);
        return true;
    case IOMMU_HWPT_ALLOC:
        *uptr = offsetof(struct iommu_hwpt_alloc, data_uptr);
        *len = offsetof(struct iommu_hwpt_alloc, data_len);
        return true;
    case IOMMU_VIOMMU_ALLOC:
        *uptr = offsetof(struct iommu_viommu_alloc, data_uptr);
        *len = offsetof(struct iommu_viommu_alloc, data_len);
        return true;
    default:
        return false;
    }
}

bool info_place(uint32_t request, size_t kind, InfoPlace *info)
{
    switch (request) {
    case VFIO_DEVICE_GET_REGION_INFO:
        info->size = sizeof(struct vfio_region_info);
        info->cap_offset = offsetof(struct vfio_region_info, cap_offset);
        info->flag = VFIO_REGION_INFO_FLAG_CAPS;
        return true;
    case VFIO_DEVICE_GET_INFO:
        info->size = sizeof(struct vfio_device_info);
        info->cap_offset = offsetof(struct vfio_device_info, cap_offset);
        info->flag = VFIO_DEVICE_FLAGS_CAPS;
        return true;
    case VFIO_IOMMU_GET_INFO:
        /* The number is that of a request to devices, too */
        if (strcmp(counters->rows[kind].name, "VFIO_IOMMU_GET_INFO")) {
            return false;
        }
        info->size = sizeof(struct vfio_iommu_type1_info);
        info->cap_offset = offsetof(struct vfio_iommu_type1_info, cap_offset);
        info->flag = VFIO_IOMMU_INFO_CAPS;
        return true;
    default:
        return false;
    }
}

uint32_t get_u32(const Call *call, size_t offset)
{
    uint32_t value;

    memcpy(&value, (uint8_t *)call->arg + offset, sizeof(value));
    return value;
}

static bool subkind_value(uint32_t request, const Call *call, uint32_t *value)
{
    size_t offset;

    switch (request) {
    case IOMMU_HWPT_ALLOC:
        offset = offsetof(struct iommu_hwpt_alloc, data_type);
        break;
    case IOMMU_GET_HW_INFO:
        offset = offsetof(struct iommu_hw_info, in_data_type);
        if (call->size < offset + sizeof(*value) ||
            !(get_u32(call, offsetof(struct iommu_hw_info, flags)) &
              IOMMU_HW_INFO_FLAG_INPUT_TYPE)) {
            return false;
        }
        break;
    case IOMMU_VIOMMU_ALLOC:
        offset = offsetof(struct iommu_viommu_alloc, type);
        break;
    case IOMMU_VEVENTQ_ALLOC:
        offset = offsetof(struct iommu_veventq_alloc, type);
        break;
    case IOMMU_HW_QUEUE_ALLOC:
        offset = offsetof(struct iommu_hw_queue_alloc, type);
        break;
    case VFIO_DEVICE_FEATURE:
        offset = offsetof(struct vfio_device_feature, flags);
        break;
    default:
        return false;
    }
    if (call->size < offset + sizeof(*value)) {
        return false;
    }
    *value = get_u32(call, offset);
    if (request == VFIO_DEVICE_FEATURE) {
        *value &= VFIO_DEVICE_FEATURE_MASK;
    }
    return true;
}

size_t find_subkind(size_t row, const Call *call)
{
    const IoctlName *name = &ioctl_names[row];
    uint32_t request = name->request, value;

    /* VFIO_IOMMU_DIRTY_PAGES has the number of VFIO_DEVICE_FEATURE */
    if (!(name->classes & (ON_IOMMUFD | ON_VFIO_DEVICE)) ||
        (request == VFIO_DEVICE_FEATURE &&
         !(name->classes & ON_VFIO_DEVICE)) ||
        !subkind_value(request, call, &value)) {
        return NO_ROW;
    }
    for (size_t i = 0; i < NR_SUBKINDS; i++) {
        if (subkinds[i].request == request && subkinds[i].value == value) {
            return ROW_SUBKINDS + i;
        }
    }
    return NO_ROW;
}
