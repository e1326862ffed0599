/* Starting programs, and waiting for a process that may not end. */
#ifndef CLINUX_PROCESS_H
#define CLINUX_PROCESS_H

#include "clinux_tick.h"

#include <sys/types.h>

/*
 * Starts a program (posix_spawn(3)) as one that nothing was left to: no blocked and no ignored signals, whatever this
 * process does with its own, and a process group of its own, so that Ctrl-C reaches this process and not that one.
 *
 * `standard_output` is the descriptor that its output goes to, or -1 for this one's.
 *
 * Returns 0 or errno.
 */
int clinux_spawn(
    pid_t *process, const char *program, char *const *arguments, char *const *environment, int standard_output);

/*
 * Waits for a child to end, for so many milliseconds at most, and reaps it: `status` is as waitpid(2) gives it.
 *
 * Before Linux 5.3 there is no descriptor to wait with (pidfd_open(2)): then it waits without a deadline rather than not
 * at all.
 *
 * Returns 0, ETIMEDOUT, or the errno of waiting.
 */
int clinux_process_wait(pid_t child, int milliseconds, struct clinux_tick tick, int *status);

#endif
