/* The command line of another process, with a deadline. */
#ifndef CLINUX_COMMAND_LINE_H
#define CLINUX_COMMAND_LINE_H

#include "clinux_tick.h"

#include <stddef.h>
#include <sys/types.h>

/* What is read of a command line at most, in bytes. */
#define CLINUX_COMMAND_LINE_SIZE 16384

/*
 * Reads the beginning of this machine's `/proc/PID/cmdline` into `text`, which has room for CLINUX_COMMAND_LINE_SIZE
 * bytes; `size` is set to their number. It may take `milliseconds`, which is set to what is left of them.
 *
 * The kernel copies it from the process's own memory, under a lock of that memory (get_mm_cmdline()), which the process
 * can withhold. So a worker (see worker.h) reads, and is left behind when it does not return in time.
 *
 * Returns 0 or errno: ETIMEDOUT when the deadline passed, ECANCELED when the tick ended the wait.
 */
int clinux_command_line(pid_t process, int *milliseconds, struct clinux_tick tick, char *text, size_t *size);

#endif
