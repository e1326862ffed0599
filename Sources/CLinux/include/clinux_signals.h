/* Signals: what is inherited from a caller, what may interrupt a verb that writes, and a descriptor to poll. */
#ifndef CLINUX_SIGNALS_H
#define CLINUX_SIGNALS_H

#include <signal.h>
#include <stdbool.h>

/*
 * Sets what a program inherits across execve(2) to what this program needs: no blocked signals, three open standard
 * descriptors, and the default dispositions of SIGCHLD (ignored, no child can be waited for), SIGPIPE, SIGTERM and
 * SIGXFSZ. A standard descriptor that is closed is opened on /dev/null for the opposite direction: using it fails, and no
 * other file gets its number.
 *
 * Other signals stay ignored if they are: nohup(1) and shells ignore some of them on purpose.
 */
void clinux_reset_inherited(void);

/*
 * For a verb that writes: ignores SIGPIPE and SIGXFSZ, so that neither a write to a pipe without a reader nor one
 * beyond a file size limit ends it, and blocks SIGHUP, SIGINT and SIGTERM, which then stay pending. A signal that is
 * ignored stays ignored.
 */
void clinux_hold_interruptions(void);

/* The first of the signals that is pending, or 0. It stays pending. */
int clinux_pending_signal(const int *signals, int count);

/*
 * Blocks the signals in this thread and in the threads that it starts later, and opens a descriptor that is readable
 * when one of them is pending (signalfd(2)). Returns the descriptor, or -errno.
 */
int clinux_signals_open(const int *signals, int count);

/* Takes the next pending signal; 0 when there is none. */
int clinux_signals_take(int descriptor);

/* An eventfd(2) that is closed at execve(2) and never blocks, or -errno. */
int clinux_event_open(void);

#endif
