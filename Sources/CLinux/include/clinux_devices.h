/* Which devices processes have open, by device number: a node's name does not tell which device it is. */
#ifndef CLINUX_DEVICES_H
#define CLINUX_DEVICES_H

#include "clinux_tick.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A character device's number: its major above its minor, 32 bits each. No device has 0. */
#define CLINUX_DEVICE(major, minor) ((uint64_t)(major) << 32 | (uint32_t)(minor))

/* The number of the device that a `st_rdev` names. */
uint64_t clinux_device(dev_t device);

/* One finding about one process. */
struct clinux_holding {
    pid_t process;
    /*
     * 0: the process has the device `device` open or mapped. Otherwise the errno of looking, and the process may have
     * more devices than were found: EACCES or EPERM when the kernel hides something from the caller, ETIMEDOUT when the
     * kernel did not answer in time, ECANCELED when the caller gave up, E2BIG when there was no room for more findings.
     */
    int error;
    /* An index into the search's `devices`. */
    unsigned device;
};

struct clinux_search {
    /* The processes to look at, and the devices to look for, by the numbers of `CLINUX_DEVICE`. */
    const pid_t *processes;
    size_t process_count;
    const uint64_t *devices;
    size_t device_count;
    /* How long one process may take, and how long all of them together, in milliseconds. */
    int process_deadline;
    int deadline;
    struct clinux_tick tick;
};

/*
 * Finds which processes have devices open or mapped, through this machine's `/proc/PID/fd`, `/proc/PID/maps` and
 * `/proc/PID/map_files`. `found` has room for `capacity` findings; `count` is set to their number.
 *
 * The files behind a process's links are not opened, and their file systems are not asked (AT_STATX_DONT_SYNC), as a
 * FUSE of somebody's or a network file system may never answer. A descriptor that was opened with O_PATH does not
 * count: it does not use the device, and anyone can have one. A mapping counts, as it keeps a device open after its
 * descriptor is closed.
 *
 * A process can make its own /proc files large, or hold a lock for ever that reading them needs. So a worker (see
 * worker.h) reads them piece by piece, and is left behind when it does not return. A process that ends meanwhile has
 * nothing open.
 *
 * Returns 0, or the errno of starting the worker.
 */
int clinux_find_holders(
    const struct clinux_search *search, struct clinux_holding *found, size_t capacity, size_t *count);

#endif
