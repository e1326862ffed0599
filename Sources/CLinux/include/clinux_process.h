/* Starting programs, and waiting for a process that may not end. */
#ifndef CLINUX_PROCESS_H
#define CLINUX_PROCESS_H

#include "clinux_tick.h"

#include <sys/types.h>

/*
 * Starts a program (posix_spawn(3)) that inherits no blocked and no ignored signals from this process. It gets a
 * process group of its own, so that Ctrl-C reaches this process and not the program.
 *
 * `standard_output` is the descriptor that the program's output goes to, or -1 for this process's own output.
 *
 * Returns 0 or errno.
 */
int clinux_spawn(
    pid_t *process, const char *program, char *const *arguments, char *const *environment, int standard_output);

/*
 * As clinux_spawn(), for a program that is looked for in PATH and reads `standard_input`, or nothing when that is -1.
 */
int clinux_spawn_filter(
    pid_t *process, const char *name, char *const *arguments, char *const *environment, int standard_input,
    int standard_output);

/*
 * Waits at most `milliseconds` for a child to end, and reaps it: `status` is set as by waitpid(2).
 *
 * Before Linux 5.3 there is no descriptor to wait with (pidfd_open(2)): then it waits without a deadline.
 *
 * Returns 0, ETIMEDOUT, or the errno of waiting.
 */
int clinux_process_wait(pid_t child, int milliseconds, struct clinux_tick tick, int *status);

/*
 * For a process of many threads: all of them share one heap. The C library would give each processor's threads a heap of
 * their own (mallopt(3), M_ARENA_MAX), and none of them is busy enough for that.
 */
void clinux_share_heap(void);

#endif
