/* Writes to the kernel that the caller survives. */
#ifndef CLINUX_WRITE_H
#define CLINUX_WRITE_H

#include "clinux_process.h"

#include <sys/types.h>

struct clinux_write {
    /* 0, or the errno of opening or writing; ETIMEDOUT when the deadline passed, and then `process` is set. */
    int error;
    /* The process that is stuck in the kernel with the write; 0 when it came back. */
    pid_t process;
};

/*
 * Writes `value` to `path`, below a root (see clinux_open.h), in a process of its own, and waits for that until the
 * deadline.
 *
 * An unbind, a bind, a remove or a rescan can hang in the kernel, uninterruptibly, for as long as a driver likes: a
 * thread with such a write would keep the whole process from ending. The process that is left behind ends by itself when
 * the kernel lets go, and is ended with the caller where it can be.
 *
 * `rescan_override` is NULL, or a driver_override file that is to get `override_value` as its device appears: see
 * clinux_rescan.h.
 *
 * Returns 0, or the errno of starting the process; then nothing was written.
 */
int clinux_write_deadline(
    const char *root, const char *path, const char *value, const char *rescan_override, const char *override_value,
    int milliseconds, struct clinux_tick tick, struct clinux_write *result);

/*
 * Unloads a module as delete_module(2) does, in a process of its own, with the same deadline and the same result: its exit,
 * and the remove() of its driver, can hang. One that is in use is refused at once (EWOULDBLOCK). Unlike `modprobe -r` it
 * takes along no other module.
 *
 * Returns 0, or the errno of starting the process; then nothing was unloaded.
 */
int clinux_unload_deadline(
    const char *module, int milliseconds, struct clinux_tick tick, struct clinux_write *result);

#endif
