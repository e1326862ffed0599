/* System calls that return an error as -errno. */
#ifndef CLINUX_CALL_H
#define CLINUX_CALL_H

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Like syscall(2), with up to five arguments, but returns an error as -errno. */
#define call(...) as_result(syscall(__VA_ARGS__))

static inline long as_result(long result) { return result < 0 ? -errno : result; }

#endif
