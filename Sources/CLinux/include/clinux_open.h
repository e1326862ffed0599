/* The one way to the kernel's files. */
#ifndef CLINUX_OPEN_H
#define CLINUX_OPEN_H

/* O_PATH, which <fcntl.h> shows with _GNU_SOURCE alone; octal 10000000 on x86-64 and on arm64. */
#define CLINUX_O_PATH 2097152

/*
 * Opens a file that is there; the descriptor is closed on exec. `root` is NULL on the machine itself.
 *
 * Below another root nothing leads out of it: every link, on the way and at the end, is taken as if the root were "/",
 * and so is "..", as chroot(2) does (RESOLVE_IN_ROOT of openat2(2), Linux 5.6). sysfs's own links, all relative, lead
 * where they always do.
 *
 * Returns the descriptor, or -errno. Leaves errno alone.
 */
int clinux_open(const char *root, const char *path, int flags);

/* Writes `value` to an attribute, which no link is; 0 or errno. */
int clinux_put(const char *root, const char *path, const char *value);

#endif
