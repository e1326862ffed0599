/* Deadline reads: reads that can hang in the kernel, with a deadline. */
#ifndef CLINUX_READ_H
#define CLINUX_READ_H

#include "clinux_tick.h"

#include <stddef.h>

/* The room for one answer, in bytes; a text has a NUL at its end. */
#define CLINUX_READ_SIZE 256

/* What is read, and the lock that the kernel takes for it. */
enum clinux_kind {
    /*
     * The text of driver_override or sriov_numvfs: the device's lock (driver_override_show(), sriov_numvfs_show()). Of
     * resourceN_resize: the power of the function (resource_resize_show()).
     */
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
    /* Below the root; a link is not followed. */
    const char *path;
    /* 0, or the errno of opening or asking; ETIMEDOUT when the deadline passed, ECANCELED when the caller gave up. */
    int error;
    /* How many bytes were read. */
    size_t size;
    char answer[CLINUX_READ_SIZE];
};

/*
 * Asks all questions below a root (see clinux_open.h), and returns when the last one is answered or `milliseconds` have
 * passed, whichever is first. A question that hangs does not keep another one from being answered.
 *
 * `tick` is called meanwhile, and can end the wait.
 *
 * A bind or an unbind holds these locks from beginning to end: while it hangs, a read hangs too, and cannot be
 * interrupted. So separate processes read: one for all questions that are answered at once, and one more for each that
 * is not. A process that is left behind ends by itself when the kernel returns. Until then this process does not try
 * the same file again, and takes it as hanging at once.
 *
 * With a negative number of milliseconds there is no deadline, and this process reads.
 *
 * Returns 0, or the errno of starting a process.
 */
int clinux_read_within(
    int milliseconds, const char *root, struct clinux_question *questions, size_t count, struct clinux_tick tick);

#endif
