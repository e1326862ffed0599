/* Reads of attributes that can hang in the kernel. */
#ifndef CLINUX_READ_H
#define CLINUX_READ_H

#include <stddef.h>

/* The room for one text, with the NUL at its end. */
#define CLINUX_READ_SIZE 256

/*
 * Reads `count` attributes below a root (see clinux_open.h) in a process of its own, and waits up to the deadline for
 * each. None of them is a link.
 *
 * `errors` has a place for each: 0, or the errno of opening or reading; ETIMEDOUT when the deadline passed. `texts` has
 * CLINUX_READ_SIZE bytes for each.
 *
 * A driver_override is shown under its device's lock (driver_override_show()), which a bind or an unbind holds from
 * beginning to end: while one hangs, so does every reader, uninterruptibly. A process that is left behind so ends by
 * itself when the kernel lets go; until then the same file is not tried again by this process.
 *
 * Returns 0, or the errno of starting the process.
 */
int clinux_read_guarded(
    const char *root, const char *const *paths, size_t count, int milliseconds, int *errors, char *texts);

#endif
