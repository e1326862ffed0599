/* Signals: what a caller leaves behind, what may interrupt a verb that writes, and a descriptor to poll. */
#ifndef CLINUX_SIGNALS_H
#define CLINUX_SIGNALS_H

#include <signal.h>
#include <stdbool.h>

/*
 * Sets what a program inherits across execve(2) to what this one needs: default dispositions (of an ignored SIGCHLD no
 * child can be waited for), no blocked signals, and three standard descriptors. One that is closed leads to /dev/null,
 * open the other way around: using it fails, and no file of ours gets its number.
 *
 * SIGHUP, SIGINT, SIGQUIT and the signals of job control stay ignored where they are: that is what nohup(1) and a shell's
 * background mean by it.
 */
void clinux_reset_inherited(void);

/*
 * For a verb that writes: no write to a pipe without a reader, and none beyond a limit, ends it (SIGPIPE, SIGXFSZ), and
 * SIGHUP, SIGINT and SIGTERM wait until they are asked for. One that is ignored stays ignored.
 */
void clinux_hold_interruptions(void);

/* Which of the signals waits to be taken; 0 for none. It goes on waiting. */
int clinux_pending_signal(const int *signals, int count);

/*
 * Blocks the signals in this thread and those it starts later, and opens a descriptor that is readable when one of them
 * has come (signalfd(2)). Returns it, or -errno.
 */
int clinux_signals_open(const int *signals, int count);

/* The next signal that has come; 0 when there is none. */
int clinux_signals_take(int descriptor);

#endif
