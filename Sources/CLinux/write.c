#define _GNU_SOURCE
#include "clinux_write.h"

#include "clinux_open.h"
#include "clinux_process.h"
#include "clinux_rescan.h"
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* An exit status has 8 bits, which hold every errno (the last is EHWPOISON, 133). */
static int as_status(int error) { return error < 0 || error > 255 ? EIO : error; }

static int rescan_once(const char *root, const char *path, const char *driver_override, const char *value) {
    struct clinux_rescan rescan = {0};
    int error = clinux_rescan(root, path, driver_override, value, &rescan);
    if (error == 0) error = rescan.rescan_errno;
    /* A device that has not appeared has no override to write: the caller reads back, and reports the device. */
    if (error == 0 && rescan.override_errno != ENOENT) error = rescan.override_errno;
    return error;
}

static int await(pid_t child, int milliseconds, struct clinux_tick tick, struct clinux_write *result) {
    int status = 0;
    int error = clinux_process_wait(child, milliseconds, tick, &status);
    if (error != 0 && error != ETIMEDOUT) return error;
    result->process = error == ETIMEDOUT ? child : 0;
    result->error = error == ETIMEDOUT ? ETIMEDOUT : WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
    return 0;
}

/* Like fork(2); the child is killed when its parent ends, and has no descriptors. */
static pid_t fork_bound(void) {
    pid_t parent = getpid();
    pid_t child = fork();
    if (child != 0) return child;
    /* A write that is not made yet must not be made after its run was killed, while the next run is at work. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(EINTR);
    close_descriptors();
    return 0;
}

int clinux_write_deadline(
    const char *root, const char *path, const char *value, const char *rescan_override, const char *override_value,
    int milliseconds, struct clinux_tick tick, struct clinux_write *result) {
    pid_t child = fork_bound();
    if (child < 0) return errno;
    if (child == 0) {
        int error = rescan_override ? rescan_once(root, path, rescan_override, override_value)
                                    : clinux_put(root, path, value);
        _exit(as_status(error));
    }
    return await(child, milliseconds, tick, result);
}

int clinux_unload_deadline(
    const char *module, int milliseconds, struct clinux_tick tick, struct clinux_write *result) {
    pid_t child = fork_bound();
    if (child < 0) return errno;
    if (child == 0) _exit(syscall(SYS_delete_module, module, O_NONBLOCK) == 0 ? 0 : as_status(errno));
    return await(child, milliseconds, tick, result);
}
