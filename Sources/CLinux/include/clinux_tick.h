/* A callback during a wait. */
#ifndef CLINUX_TICK_H
#define CLINUX_TICK_H

#include <stdbool.h>

/*
 * `function` is called with `context` several times a second, and returns whether to go on waiting; a wait for a write
 * ignores the result. NULL for no calls.
 */
struct clinux_tick {
    bool (*function)(void *);
    void *context;
};

#endif
