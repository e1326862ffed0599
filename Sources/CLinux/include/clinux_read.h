/* What can hang in the kernel when it is asked. */
#ifndef CLINUX_READ_H
#define CLINUX_READ_H

#include "clinux_tick.h"

#include <stddef.h>

/* The room for one answer; a text has a NUL at its end. */
#define CLINUX_READ_SIZE 256

/* What is asked, and what it waits for. */
enum clinux_kind {
    /* The text of a driver_override or a sriov_numvfs: its device's lock (driver_override_show(), sriov_numvfs_show()). */
    CLINUX_DEVICE_ATTRIBUTE,
    /* The text of a console's bind: the console lock, one for all of them (show_bind()). */
    CLINUX_CONSOLE,
    /* A framebuffer's node, for a struct fb_fix_screeninfo: the framebuffer's lock (fb_open(), do_fb_ioctl()). */
    CLINUX_FRAMEBUFFER,
    /* The first 64 bytes of a function's configuration: the power of what is above it (pci_config_pm_runtime_get()). */
    CLINUX_CONFIGURATION,
};

struct clinux_question {
    enum clinux_kind kind;
    /* Below the root, and no link. */
    const char *path;
    /* 0, or the errno of opening or asking; ETIMEDOUT when the deadline passed, ECANCELED when the caller gave up. */
    int error;
    /* How many bytes came. */
    size_t size;
    char answer[CLINUX_READ_SIZE];
};

/*
 * Asks all of them below a root (see clinux_open.h), and returns when the last one has answered, or when so many
 * milliseconds have passed since the call, whichever is first. One that hangs keeps no other from being answered.
 *
 * `tick` is called meanwhile, and can end the wait.
 *
 * A bind or an unbind holds these locks from beginning to end: while one hangs, so does whoever asks, uninterruptibly. So
 * it is asked in processes of their own, one for all that answer at once and one more for each that does not. A process
 * that is left behind ends by itself when the kernel lets go; until then the same file is not tried again by this process,
 * and counts as hanging at once.
 *
 * Returns 0, or the errno of starting a process.
 */
int clinux_read_within(
    int milliseconds, const char *root, struct clinux_question *questions, size_t count, struct clinux_tick tick);

#endif
