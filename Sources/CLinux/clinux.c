#include "clinux.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

static int outcome(int result) { return result < 0 ? -errno : result; }

int clinux_vfio_api_version(int container) { return outcome(ioctl(container, VFIO_GET_API_VERSION)); }

int clinux_vfio_supports_type1(int container, unsigned long type) {
    return outcome(ioctl(container, VFIO_CHECK_EXTENSION, type));
}

int clinux_vfio_group_is_viable(int group) {
    struct vfio_group_status status = {.argsz = sizeof(status)};
    int result = ioctl(group, VFIO_GROUP_GET_STATUS, &status);
    if (result < 0) return -errno;
    return (status.flags & VFIO_GROUP_FLAGS_VIABLE) != 0;
}

int clinux_vfio_group_set_container(int group, int container) {
    return outcome(ioctl(group, VFIO_GROUP_SET_CONTAINER, &container));
}

int clinux_vfio_group_unset_container(int group) { return outcome(ioctl(group, VFIO_GROUP_UNSET_CONTAINER)); }

int clinux_vfio_set_iommu(int container, unsigned long type) {
    return outcome(ioctl(container, VFIO_SET_IOMMU, type));
}

int clinux_vfio_group_device(int group, const char *address) {
    return outcome(ioctl(group, VFIO_GROUP_GET_DEVICE_FD, address));
}

int clinux_vfio_region_count(int device) {
    struct vfio_device_info info = {.argsz = sizeof(info)};
    int result = ioctl(device, VFIO_DEVICE_GET_INFO, &info);
    return result < 0 ? -errno : (int)info.num_regions;
}

long clinux_vfio_region(int device, uint32_t index, void *buffer, size_t capacity) {
    struct vfio_region_info *info = buffer;
    if (capacity < sizeof(*info)) return -EINVAL;
    memset(buffer, 0, capacity);
    info->argsz = (uint32_t)capacity;
    info->index = index;
    if (ioctl(device, VFIO_DEVICE_GET_REGION_INFO, info) < 0) return -errno;
    /* For a buffer that is too small the kernel returns the size that it needs, and no capabilities. */
    return info->argsz <= capacity ? (long)capacity : -E2BIG;
}

int clinux_vfio_map(int device, uint64_t offset, uint64_t size) {
    void *address = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, device, (off_t)offset);
    if (address == MAP_FAILED) return -errno;
    return munmap(address, size) < 0 ? -errno : 0;
}

/*
 * Debian 12 (6.1) has no linux/iommufd.h, and its linux/vfio.h has neither these structures nor their numbers. Both are
 * fixed parts of the interface, since 6.2 and 6.6 (include/uapi/linux/{iommufd,vfio}.h): a later kernel accepts the
 * shorter structure of an earlier one.
 */

struct bind_iommufd {
    uint32_t argsz;
    uint32_t flags;
    int32_t iommufd;
    uint32_t out_devid;
};

int clinux_vfio_bind_iommufd(int device, int iommufd) {
    struct bind_iommufd bind = {.argsz = sizeof(bind), .iommufd = iommufd};
    return outcome(ioctl(device, _IO(VFIO_TYPE, VFIO_BASE + 18), &bind));
}

struct attach_iommufd_pt {
    uint32_t argsz;
    uint32_t flags;
    uint32_t pt_id;
};

int clinux_vfio_attach_iommufd_pt(int device, uint32_t address_space) {
    struct attach_iommufd_pt attach = {.argsz = sizeof(attach), .pt_id = address_space};
    return outcome(ioctl(device, _IO(VFIO_TYPE, VFIO_BASE + 19), &attach));
}

#define IOMMUFD_TYPE ';'

struct ioas_alloc {
    uint32_t size;
    uint32_t flags;
    uint32_t out_ioas_id;
};

int clinux_iommu_ioas_alloc(int iommufd, uint32_t *address_space) {
    struct ioas_alloc alloc = {.size = sizeof(alloc)};
    if (ioctl(iommufd, _IO(IOMMUFD_TYPE, 0x81), &alloc) < 0) return -errno;
    *address_space = alloc.out_ioas_id;
    return 0;
}

enum { MAP_WRITEABLE = 1 << 1, MAP_READABLE = 1 << 2 };

struct ioas_map {
    uint32_t size;
    uint32_t flags;
    uint32_t ioas_id;
    uint32_t reserved;
    uint64_t user_va;
    uint64_t length;
    uint64_t iova;
};

int clinux_iommu_ioas_map(int iommufd, uint32_t address_space, uint64_t memory, uint64_t length, uint64_t *iova) {
    struct ioas_map map = {
        .size = sizeof(map),
        .flags = MAP_READABLE | MAP_WRITEABLE,
        .ioas_id = address_space,
        .user_va = memory,
        .length = length,
    };
    if (ioctl(iommufd, _IO(IOMMUFD_TYPE, 0x85), &map) < 0) return -errno;
    *iova = map.iova;
    return 0;
}

struct ioas_unmap {
    uint32_t size;
    uint32_t ioas_id;
    uint64_t iova;
    uint64_t length;
};

int clinux_iommu_ioas_unmap(int iommufd, uint32_t address_space, uint64_t iova, uint64_t length) {
    struct ioas_unmap unmap = {.size = sizeof(unmap), .ioas_id = address_space, .iova = iova, .length = length};
    return outcome(ioctl(iommufd, _IO(IOMMUFD_TYPE, 0x86), &unmap));
}
