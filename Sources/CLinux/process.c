#define _GNU_SOURCE
#include "clinux_process.h"

#include <errno.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int clinux_process_wait(pid_t child, int milliseconds, int *status) {
    int descriptor = (int)syscall(SYS_pidfd_open, child, 0);
    if (descriptor >= 0) {
        struct pollfd end = {.fd = descriptor, .events = POLLIN};
        int ready;
        do {
            ready = poll(&end, 1, milliseconds);
        } while (ready < 0 && errno == EINTR);
        close(descriptor);
        if (ready == 0) return ETIMEDOUT;
    }
    while (waitpid(child, status, 0) < 0) {
        if (errno != EINTR) return errno;
    }
    return 0;
}
