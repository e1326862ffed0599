/* The part of the kernel's headers that Swift cannot import: ioctl numbers are macros that take types. */
#ifndef CLINUX_H
#define CLINUX_H

#include "clinux_command_line.h"
#include "clinux_commit.h"
#include "clinux_devices.h"
#include "clinux_maps.h"
#include "clinux_open.h"
#include "clinux_output.h"
#include "clinux_process.h"
#include "clinux_read.h"
#include "clinux_rescan.h"
#include "clinux_signals.h"
#include "clinux_uevents.h"
#include "clinux_write.h"

#include <linux/fb.h>
#include <linux/vfio.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* VFIO's ioctls on a container and a group. Each function returns the ioctl's result, or -errno. */
int clinux_vfio_api_version(int container);
int clinux_vfio_supports_type1(int container, unsigned long type);
int clinux_vfio_group_is_viable(int group);
int clinux_vfio_group_set_container(int group, int container);
int clinux_vfio_group_unset_container(int group);
int clinux_vfio_set_iommu(int container, unsigned long type);
int clinux_vfio_group_device(int group, const char *address);

/* How many regions the device has (VFIO_DEVICE_GET_INFO), or -errno. */
int clinux_vfio_region_count(int device);

/*
 * Reads what VFIO_DEVICE_GET_REGION_INFO says: struct vfio_region_info and the capabilities behind it. `buffer` is
 * aligned as that structure. Returns the buffer's size or -errno; -E2BIG where the capabilities do not fit.
 */
long clinux_vfio_region(int device, uint32_t index, void *buffer, size_t capacity);

/*
 * Sizes base address registers as the kernel does (__pci_read_base()): with decoding off, it writes all ones to each
 * register of the endpoint whose bit is set in `bars`, reads it back and restores it. `found` gets what each of the six
 * registers read, and 0 for one that was not asked for or does not exist.
 *
 * `config` is the function's sysfs file, open for reading and writing. Use it only for a function that nobody else
 * uses.
 *
 * Returns 0 or -errno; -EPERM where the kernel is locked down.
 */
int clinux_size_bars(int config, unsigned bars, uint32_t found[6]);

/* Maps a piece of a device, offset and size in bytes, and unmaps it again. Returns 0 or -errno. */
int clinux_vfio_map(int device, uint64_t offset, uint64_t size);

/*
 * Binds a device, opened through its own node, to an iommufd: VFIO_DEVICE_BIND_IOMMUFD (Linux 6.6). Returns 0 or
 * -errno.
 */
int clinux_vfio_bind_iommufd(int device, int iommufd);

/* Attaches it to an address space of that iommufd: VFIO_DEVICE_ATTACH_IOMMUFD_PT (Linux 6.6). Returns 0 or -errno. */
int clinux_vfio_attach_iommufd_pt(int device, uint32_t address_space);

/* Makes an address space for devices: IOMMU_IOAS_ALLOC (Linux 6.2). It ends with the iommufd. Returns 0 or -errno. */
int clinux_iommu_ioas_alloc(int iommufd, uint32_t *address_space);

/*
 * Maps this process's memory for devices, at an address that the kernel chooses (IOMMU_IOAS_MAP), and unmaps it again.
 * Each returns 0 or -errno.
 */
int clinux_iommu_ioas_map(int iommufd, uint32_t address_space, uint64_t memory, uint64_t length, uint64_t *iova);
int clinux_iommu_ioas_unmap(int iommufd, uint32_t address_space, uint64_t iova, uint64_t length);

#endif
