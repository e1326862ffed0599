#define _GNU_SOURCE
#include "clinux_devices.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

uint64_t clinux_device(dev_t device) { return CLINUX_DEVICE(major(device), minor(device)); }

/* An empty mask asks for nothing; the kernel fills in type and device number all the same (generic_fillattr()). */
static int number_at(int folder, const char *name, uint64_t *number) {
    struct statx status;
    if (statx(folder, name, AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC, 0, &status) < 0) return errno;
    *number = S_ISCHR(status.stx_mode) ? CLINUX_DEVICE(status.stx_rdev_major, status.stx_rdev_minor) : 0;
    return 0;
}

/*
 * Whether EACCES came from the file system behind a link of /proc, and not from /proc: a link is read under the same
 * right as it is followed, and nothing else is asked for that. Another user's FUSE answers so (fuse_getattr()); it has
 * no devices (nodev), and must not look like something hidden, or anyone could keep the card from being claimed.
 */
static bool is_denied_behind(int folder, const char *name) {
    char target;
    return readlinkat(folder, name, &target, 1) >= 0 || errno != EACCES;
}

int clinux_device_number(const char *path, uint64_t *number) {
    int error = number_at(AT_FDCWD, path, number);
    if (error != EACCES || !is_denied_behind(AT_FDCWD, path)) return error;
    *number = 0;
    return 0;
}

/* What cannot be read counts as open: it was there a moment ago. */
static bool is_only_a_path(const char *folder, const char *name) {
    char path[PATH_MAX], text[512];
    snprintf(path, sizeof path, "%s/fdinfo/%s", folder, name);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return false;
    ssize_t length = read(file, text, sizeof text - 1);
    close(file);
    if (length <= 0) return false;
    text[length] = 0;
    const char *flags = strstr(text, "flags:");
    return flags != NULL && (strtoul(flags + strlen("flags:"), NULL, 8) & O_PATH) != 0;
}

int clinux_devices_open(
    const char *folder, const uint64_t *wanted, size_t count, bool *found, size_t *descriptors) {
    char path[PATH_MAX];
    *descriptors = 0;
    snprintf(path, sizeof path, "%s/fd", folder);
    DIR *directory = opendir(path);
    if (directory == NULL) return errno;
    int result = 0;
    struct dirent *entry;
    while (errno = 0, (entry = readdir(directory)) != NULL) {
        if (entry->d_name[0] == '.') continue;
        ++*descriptors;
        uint64_t number;
        int error = number_at(dirfd(directory), entry->d_name, &number);
        if (error == EACCES && !is_denied_behind(dirfd(directory), entry->d_name)) result = error;
        if (error != 0 || number == 0) continue;
        for (size_t i = 0; i < count; i++) {
            if (wanted[i] == number && !found[i]) found[i] = !is_only_a_path(folder, entry->d_name);
        }
    }
    if (errno != 0 && result == 0) result = errno;
    closedir(directory);
    return result;
}
