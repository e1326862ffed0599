/* Which devices processes have open, by their numbers: a name says nothing of what is behind it. */
#ifndef CLINUX_DEVICES_H
#define CLINUX_DEVICES_H

#include "clinux_tick.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A character device's number: its major above its minor, 32 bits each. No device has 0. */
#define CLINUX_DEVICE(major, minor) ((uint64_t)(major) << 32 | (uint32_t)(minor))

/* The same of a `st_rdev`. */
uint64_t clinux_device(dev_t device);

/* What was found of one process. */
struct clinux_holding {
    pid_t process;
    /*
     * 0: it has the device `device` open or mapped. Else the errno of looking, and it may have more than is told: EACCES
     * or EPERM when not all is shown to the caller, ETIMEDOUT when it was not told in time,
     * ECANCELED when the caller gave up, E2BIG when there was no room.
     */
    int error;
    /* An index among those that are wanted. */
    unsigned device;
};

struct clinux_search {
    /* The processes, and the devices, as `CLINUX_DEVICE` has them. */
    const pid_t *processes;
    size_t process_count;
    const uint64_t *devices;
    size_t device_count;
    /* How long one process may take, and all of them together, in milliseconds. */
    int process_deadline;
    int deadline;
    struct clinux_tick tick;
};

/*
 * Looks for who has devices open or mapped, through `/proc/PID/fd`, `/proc/PID/maps` and `/proc/PID/map_files`, of this
 * machine. `found` has room for `capacity` entries; `count` is how many there are.
 *
 * Of the files behind a process's links nothing is opened, and nothing is asked of their file systems
 * (AT_STATX_DONT_SYNC), which may be some that never answer: somebody's own FUSE, a network's. A descriptor that was
 * opened with O_PATH uses nothing, and anyone can have one: it does not count. A mapping keeps a device open after its
 * descriptor is closed.
 *
 * What a process makes of its own /proc files can be large, or wait for ever for a lock of it: they are read piece by
 * piece, by a worker (see worker.h) that is left behind when it does not come back. A process that ends meanwhile has
 * nothing.
 *
 * Returns 0, or the errno of starting the worker.
 */
int clinux_find_holders(
    const struct clinux_search *search, struct clinux_holding *found, size_t capacity, size_t *count);

#endif
