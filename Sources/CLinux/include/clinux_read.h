/* What can hang in the kernel when it is asked. */
#ifndef CLINUX_READ_H
#define CLINUX_READ_H

#include <stddef.h>

/* The room for one answer; a text has a NUL at its end. */
#define CLINUX_READ_SIZE 256

/* What is asked, and the lock that it waits for. */
enum clinux_kind {
    /* The text of a driver_override: its device's lock (driver_override_show()). */
    CLINUX_OVERRIDE,
    /* The text of a console's bind: the console lock, one for all of them (show_bind()). */
    CLINUX_CONSOLE,
    /* A framebuffer's node, for a struct fb_fix_screeninfo: the framebuffer's lock (fb_open(), do_fb_ioctl()). */
    CLINUX_FRAMEBUFFER,
};

/*
 * Asks `count` files below a root (see clinux_open.h) in a process of its own, and waits up to the deadline for each. None
 * of them is a link.
 *
 * `errors` has a place for each: 0, or the errno of opening or asking; ETIMEDOUT when the deadline passed. `answers` has
 * CLINUX_READ_SIZE bytes for each.
 *
 * A bind or an unbind holds these locks from beginning to end: while one hangs, so does whoever asks, uninterruptibly. A
 * process that is left behind so ends by itself when the kernel lets go; until then the same file is not tried again by
 * this process.
 *
 * Returns 0, or the errno of starting the process.
 */
int clinux_read_guarded(
    enum clinux_kind kind, const char *root, const char *const *paths, size_t count, int milliseconds, int *errors,
    char *answers);

#endif
