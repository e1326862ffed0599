/* Which devices a process has open, by their numbers: a name says nothing of what is behind it. */
#ifndef CLINUX_DEVICES_H
#define CLINUX_DEVICES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A character device's number: its major above its minor, 32 bits each. No device has 0. */
#define CLINUX_DEVICE(major, minor) ((uint64_t)(major) << 32 | (uint32_t)(minor))

/* The same of a `st_rdev`. */
uint64_t clinux_device(dev_t device);

/*
 * The number of the character device that a link of /proc leads to; 0 for anything else.
 *
 * Nothing is opened, and nothing is asked of the file system behind it (AT_STATX_DONT_SYNC), which may be one that never
 * answers: somebody's own FUSE, a network's.
 *
 * Returns 0 or errno.
 */
int clinux_device_number(const char *path, uint64_t *number);

/*
 * Looks through a process's descriptors for devices: `folder` is /proc/PID, or /proc/PID/task/TID. Sets `found` for each
 * of the `count` numbers in `wanted` that it has open, and `descriptors` to how many there are in all. A descriptor that
 * was opened with O_PATH uses nothing, and anyone can have one: it does not count.
 *
 * Returns 0, or errno: ENOENT or ESRCH when the process has ended, EACCES when not all is shown to the caller.
 */
int clinux_devices_open(
    const char *folder, const uint64_t *wanted, size_t count, bool *found, size_t *descriptors);

#endif
