#define _GNU_SOURCE
#include "clinux_open.h"

#include "bare.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>

_Static_assert(CLINUX_O_PATH == O_PATH, "clinux_open.h defines O_PATH for Swift");

/*
 * How often a lookup is tried again that a rename or a mount on the machine disturbed (EAGAIN, for a path with "..").
 */
#define MOST_LOOKUPS 64

UNINSTRUMENTED static long open_below(const char *root, const char *path, int flags) {
    long folder = bare(SYS_openat, AT_FDCWD, (long)root, O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
    if (folder < 0) return folder;
    struct open_how how = {.flags = (unsigned)(flags | O_CLOEXEC), .resolve = RESOLVE_IN_ROOT};
    long file;
    int lookups = 0;
    do {
        file = bare(SYS_openat2, folder, (long)path, (long)&how, sizeof how);
    } while (file == -EINTR || (file == -EAGAIN && ++lookups < MOST_LOOKUPS));
    bare(SYS_close, folder, 0, 0, 0);
    return file;
}

UNINSTRUMENTED int clinux_open(const char *root, const char *path, int flags) {
    if (root != NULL) return (int)open_below(root, path, flags);
    long file;
    do {
        file = bare(SYS_openat, AT_FDCWD, (long)path, flags | O_CLOEXEC, 0);
    } while (file == -EINTR);
    return (int)file;
}

int clinux_put(const char *root, const char *path, const char *value) {
    int file = clinux_open(root, path, O_WRONLY | O_TRUNC | O_NOFOLLOW);
    if (file < 0) return -file;
    long written = bare(SYS_write, file, (long)value, (long)strlen(value), 0);
    bare(SYS_close, file, 0, 0, 0);
    return written < 0 ? (int)-written : 0;
}
