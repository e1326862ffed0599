#define _GNU_SOURCE
#include "clinux_open.h"

#include "call.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

_Static_assert(CLINUX_O_PATH == O_PATH, "clinux_open.h defines O_PATH for Swift");

/*
 * How often a lookup is tried again that a rename or a mount on the machine disturbed (EAGAIN, for a path with "..").
 */
#define MOST_LOOKUPS 64

static long open_below(const char *root, const char *path, int flags) {
    long folder = call(SYS_openat, AT_FDCWD, root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) return folder;
    struct open_how how = {.flags = (unsigned)(flags | O_CLOEXEC), .resolve = RESOLVE_IN_ROOT};
    long file;
    int lookups = 0;
    do {
        file = call(SYS_openat2, folder, path, &how, sizeof how);
    } while (file == -EINTR || (file == -EAGAIN && ++lookups < MOST_LOOKUPS));
    close(folder);
    return file;
}

int clinux_open(const char *root, const char *path, int flags) {
    if (root != NULL) return (int)open_below(root, path, flags);
    long file;
    do {
        file = call(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC);
    } while (file == -EINTR);
    return (int)file;
}

int clinux_put(const char *root, const char *path, const char *value) {
    int file = clinux_open(root, path, O_WRONLY | O_TRUNC | O_NOFOLLOW);
    if (file < 0) return -file;
    long written = call(SYS_write, file, value, strlen(value));
    close(file);
    return written < 0 ? (int)-written : 0;
}

long clinux_filesystem_type(const char *path) {
    struct statfs found;
    return statfs(path, &found) == 0 ? (long)found.f_type : -errno;
}
