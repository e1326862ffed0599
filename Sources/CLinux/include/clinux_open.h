/* Opening the kernel's files, on the machine or below another root. */
#ifndef CLINUX_OPEN_H
#define CLINUX_OPEN_H

/* O_PATH, which <fcntl.h> defines only with _GNU_SOURCE; octal 10000000 on x86-64 and on arm64. */
#define CLINUX_O_PATH 2097152

/*
 * Opens a file that exists; the descriptor is closed on exec. `root` is NULL on the machine itself.
 *
 * Below another root no path leads out of it: every link, on the way and at the end, and every ".." is resolved as if
 * the root were "/", as chroot(2) does (RESOLVE_IN_ROOT of openat2(2), Linux 5.6). sysfs's own links are relative, and
 * lead to the same files as on a machine.
 *
 * Returns the descriptor, or -errno. Does not set errno.
 */
int clinux_open(const char *root, const char *path, int flags);

/* Writes `value` to an attribute; a link is not followed. Returns 0 or errno. */
int clinux_put(const char *root, const char *path, const char *value);

/* The type of the file system that a path is on (statfs(2), f_type), or -errno. */
long clinux_filesystem_type(const char *path);

#endif
