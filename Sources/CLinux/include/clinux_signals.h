/* Signals as a descriptor to poll; glibc's <sys/signalfd.h> is in no Swift module. */
#ifndef CLINUX_SIGNALS_H
#define CLINUX_SIGNALS_H

/*
 * Blocks the signals in this thread and those it starts later, and opens a descriptor that is readable when one of them
 * has come (signalfd(2)). Returns it, or -errno.
 */
int clinux_signals_open(const int *signals, int count);

/* The next signal that has come; 0 when there is none. */
int clinux_signals_take(int descriptor);

#endif
