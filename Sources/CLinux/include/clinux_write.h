/* Deadline writes: writes to the kernel that can hang, with a deadline. */
#ifndef CLINUX_WRITE_H
#define CLINUX_WRITE_H

#include "clinux_process.h"

#include <sys/types.h>

struct clinux_write {
    /* 0, or the errno of opening or writing; ETIMEDOUT when the deadline passed, and then `process` is set. */
    int error;
    /* The process that is stuck in the kernel with the write; 0 when the write returned. */
    pid_t process;
};

/*
 * Writes `value` to `path`, below a root (see clinux_open.h), in a child process, and waits for the child at most
 * `milliseconds`.
 *
 * An unbind, a bind, a remove or a rescan can hang in the kernel, uninterruptibly, for as long as a driver likes: a
 * thread with such a write would keep the whole process from ending. A child that is left behind ends by itself when
 * the kernel returns; when the caller ends, the child is killed, as soon as the kernel allows it.
 *
 * `rescan_override` is NULL, or a driver_override file that is to get `override_value` as soon as its device appears:
 * see clinux_rescan.h.
 *
 * Returns 0, or the errno of starting the process; then nothing was written.
 */
int clinux_write_deadline(
    const char *root, const char *path, const char *value, const char *rescan_override, const char *override_value,
    int milliseconds, struct clinux_tick tick, struct clinux_write *result);

/*
 * Unloads a module with delete_module(2), in a child process, with the same deadline and the same result: the module's
 * exit function and its driver's remove() can hang. The kernel refuses at once for a module that is in use
 * (EWOULDBLOCK). Unlike `modprobe -r` this unloads no other module.
 *
 * Returns 0, or the errno of starting the process; then nothing was unloaded.
 */
int clinux_unload_deadline(
    const char *module, int milliseconds, struct clinux_tick tick, struct clinux_write *result);

#endif
