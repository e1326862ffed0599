#define _GNU_SOURCE
#include "clinux_process.h"

#include "clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* No blocked and no ignored signals, and a process group of its own. */
static int set_up(posix_spawnattr_t *attributes) {
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(attributes, &none);
    posix_spawnattr_setsigdefault(attributes, &all);
    posix_spawnattr_setpgroup(attributes, 0);
    return posix_spawnattr_setflags(
        attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
}

static int start(
    pid_t *process, const char *program, char *const *arguments, char *const *environment, int standard_output,
    posix_spawn_file_actions_t *actions, posix_spawnattr_t *attributes) {
    int error = set_up(attributes);
    if (error != 0) return error;
    if (standard_output >= 0) {
        error = posix_spawn_file_actions_adddup2(actions, standard_output, STDOUT_FILENO);
        if (error != 0) return error;
    }
    return posix_spawn(process, program, actions, attributes, arguments, environment);
}

int clinux_spawn(
    pid_t *process, const char *program, char *const *arguments, char *const *environment, int standard_output) {
    posix_spawn_file_actions_t actions;
    int error = posix_spawn_file_actions_init(&actions);
    if (error != 0) return error;
    posix_spawnattr_t attributes;
    error = posix_spawnattr_init(&attributes);
    if (error == 0) {
        error = start(process, program, arguments, environment, standard_output, &actions, &attributes);
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

static int start_filter(
    pid_t *process, const char *name, char *const *arguments, char *const *environment, int standard_input,
    int standard_output, posix_spawn_file_actions_t *actions, posix_spawnattr_t *attributes) {
    int error = set_up(attributes);
    if (error == 0 && standard_input >= 0) {
        error = posix_spawn_file_actions_adddup2(actions, standard_input, STDIN_FILENO);
    } else if (error == 0) {
        error = posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    }
    if (error == 0) error = posix_spawn_file_actions_adddup2(actions, standard_output, STDOUT_FILENO);
    return error != 0 ? error : posix_spawnp(process, name, actions, attributes, arguments, environment);
}

int clinux_spawn_filter(
    pid_t *process, const char *name, char *const *arguments, char *const *environment, int standard_input,
    int standard_output) {
    posix_spawn_file_actions_t actions;
    int error = posix_spawn_file_actions_init(&actions);
    if (error != 0) return error;
    posix_spawnattr_t attributes;
    error = posix_spawnattr_init(&attributes);
    if (error == 0) {
        error = start_filter(
            process, name, arguments, environment, standard_input, standard_output, &actions, &attributes);
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

/* Waits until the descriptor is readable; false when the deadline passes first. */
static bool is_readable(int descriptor, int milliseconds, struct clinux_tick tick) {
    struct pollfd end = {.fd = descriptor, .events = POLLIN};
    int64_t deadline = milliseconds_now() + milliseconds;
    for (;;) {
        int64_t left = deadline - milliseconds_now();
        int slice = left <= 0 ? 0 : left < TICK ? (int)left : TICK;
        if (poll(&end, 1, slice) > 0) return true;
        if (left <= 0) return false;
        tick_once(tick);
    }
}

int clinux_process_wait(pid_t child, int milliseconds, struct clinux_tick tick, int *status) {
    int descriptor = (int)syscall(SYS_pidfd_open, child, 0);
    if (descriptor >= 0) {
        bool has_ended = is_readable(descriptor, milliseconds, tick);
        close(descriptor);
        if (!has_ended) return ETIMEDOUT;
    }
    while (waitpid(child, status, 0) < 0) {
        if (errno != EINTR) return errno;
    }
    return 0;
}
