#include "clinux.h"

#include <errno.h>
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

int clinux_vfio_region(int device, uint32_t index, struct clinux_region *region) {
    struct vfio_region_info info = {.argsz = sizeof(info), .index = index};
    if (ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &info) < 0) return -errno;
    region->size = info.size;
    region->offset = info.offset;
    region->can_map = (info.flags & VFIO_REGION_INFO_FLAG_MMAP) != 0;
    return 0;
}

/*
 * linux/vfio.h of Debian 12 (6.1) has neither the structure nor the number; both are fixed parts of the interface since
 * 6.6 (include/uapi/linux/vfio.h).
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

int clinux_vfio_map(int device, const struct clinux_region *region) {
    void *address =
        mmap(NULL, region->size, PROT_READ | PROT_WRITE, MAP_SHARED, device, (off_t)region->offset);
    if (address == MAP_FAILED) return -errno;
    return munmap(address, region->size) < 0 ? -errno : 0;
}
