/* How to be called back while something is waited for. */
#ifndef CLINUX_TICK_H
#define CLINUX_TICK_H

#include <stdbool.h>

/*
 * Called with `context` several times a second. It says whether to go on waiting; a write is waited for whatever it says.
 * No call without a function.
 */
struct clinux_tick {
    bool (*function)(void *);
    void *context;
};

#endif
