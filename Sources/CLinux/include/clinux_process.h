/* Waiting for a process that may not end. */
#ifndef CLINUX_PROCESS_H
#define CLINUX_PROCESS_H

#include <sys/types.h>

/*
 * Waits for a child to end, for so many milliseconds at most, and reaps it: `status` is as waitpid(2) gives it.
 *
 * Before Linux 5.3 there is no descriptor to wait with (pidfd_open(2)): then it waits without a deadline rather than not
 * at all.
 *
 * Returns 0, ETIMEDOUT, or the errno of waiting.
 */
int clinux_process_wait(pid_t child, int milliseconds, int *status);

#endif
