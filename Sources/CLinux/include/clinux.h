/* What Swift cannot import of the kernel's headers: ioctl numbers are macros that take types. */
#ifndef CLINUX_H
#define CLINUX_H

#include "clinux_devices.h"
#include "clinux_open.h"
#include "clinux_read.h"
#include "clinux_rescan.h"
#include "clinux_signals.h"
#include "clinux_write.h"

#include <linux/fb.h>
#include <linux/vfio.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Each returns the ioctl's result, or -errno. */
int clinux_vfio_api_version(int container);
int clinux_vfio_supports_type1(int container, unsigned long type);
int clinux_vfio_group_is_viable(int group);
int clinux_vfio_group_set_container(int group, int container);
int clinux_vfio_group_unset_container(int group);
int clinux_vfio_set_iommu(int container, unsigned long type);
int clinux_vfio_group_device(int group, const char *address);

struct clinux_region {
    uint64_t size;
    uint64_t offset;
    bool can_map;
};

int clinux_vfio_region_count(int device);
int clinux_vfio_region(int device, uint32_t index, struct clinux_region *region);

/* Binds a device opened through its own node to an iommufd, as VFIO_DEVICE_BIND_IOMMUFD (linux 6.6). */
int clinux_vfio_bind_iommufd(int device, int iommufd);

/* Maps and unmaps a region; 0 or -errno. */
int clinux_vfio_map(int device, const struct clinux_region *region);

#endif
