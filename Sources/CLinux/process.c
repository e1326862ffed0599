#define _GNU_SOURCE
#include "clinux_process.h"

#include "clock.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
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

/* What becomes of the new program's standard input and output: a descriptor, or one of these. */
enum { INHERITED = -1, EMPTY = -2 };

struct program {
    const char *name;
    char *const *arguments;
    char *const *environment;
    int input, output;
    /* posix_spawn(), or posix_spawnp(), which looks for the name in PATH. */
    int (*spawn)(
        pid_t *, const char *, const posix_spawn_file_actions_t *, const posix_spawnattr_t *, char *const[], char *const[]);
};

static int start(
    pid_t *process, const struct program *program, posix_spawn_file_actions_t *actions, posix_spawnattr_t *attributes) {
    int error = set_up(attributes);
    if (error == 0 && program->input == EMPTY) {
        error = posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    } else if (error == 0 && program->input != INHERITED) {
        error = posix_spawn_file_actions_adddup2(actions, program->input, STDIN_FILENO);
    }
    if (error == 0 && program->output != INHERITED) {
        error = posix_spawn_file_actions_adddup2(actions, program->output, STDOUT_FILENO);
    }
    if (error != 0) return error;
    return program->spawn(process, program->name, actions, attributes, program->arguments, program->environment);
}

static int spawn(pid_t *process, const struct program *program) {
    posix_spawn_file_actions_t actions;
    int error = posix_spawn_file_actions_init(&actions);
    if (error != 0) return error;
    posix_spawnattr_t attributes;
    error = posix_spawnattr_init(&attributes);
    if (error == 0) {
        error = start(process, program, &actions, &attributes);
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

int clinux_spawn(
    pid_t *process, const char *program, char *const *arguments, char *const *environment, int standard_output) {
    struct program wanted = {
        program, arguments, environment, INHERITED, standard_output >= 0 ? standard_output : INHERITED, posix_spawn};
    return spawn(process, &wanted);
}

int clinux_spawn_filter(
    pid_t *process, const char *name, char *const *arguments, char *const *environment, int standard_input,
    int standard_output) {
    struct program wanted = {
        name, arguments, environment, standard_input >= 0 ? standard_input : EMPTY, standard_output, posix_spawnp};
    return spawn(process, &wanted);
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

void clinux_share_heap(void) { mallopt(M_ARENA_MAX, 1); }
