#define _GNU_SOURCE
#include "ccalls.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static _Thread_local char called[8192];
static _Thread_local size_t length;
static _Thread_local int flushes;
static _Thread_local int failing = -1;
static _Thread_local int failure;

void ccalls_begin(void) {
    length = 0;
    called[0] = '\0';
    flushes = 0;
    failing = -1;
}

const char *ccalls_log(void) { return called; }

void ccalls_fail_fsync(int number, int error) {
    failing = number;
    failure = error;
}

static void note(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int count = vsnprintf(called + length, sizeof(called) - length, format, arguments);
    va_end(arguments);
    if (count > 0 && (size_t)count < sizeof(called) - length)
        length += (size_t)count;
}

int fsync(int descriptor) {
    char link[64];
    char path[512];
    snprintf(link, sizeof(link), "/proc/self/fd/%d", descriptor);
    ssize_t size = readlink(link, path, sizeof(path) - 1);
    path[size < 0 ? 0 : size] = '\0';
    const char *name = strrchr(path, '/');
    note("fsync %s\n", name ? name + 1 : path);
    if (flushes++ == failing) {
        errno = failure;
        return -1;
    }
    return (int)syscall(SYS_fsync, descriptor);
}

int renameat(int old_folder, const char *old, int new_folder, const char *new) {
    note("rename %s %s\n", old, new);
    return (int)syscall(SYS_renameat2, old_folder, old, new_folder, new, 0);
}

int unlinkat(int folder, const char *name, int flags) {
    note("unlink %s\n", name);
    return (int)syscall(SYS_unlinkat, folder, name, flags);
}
