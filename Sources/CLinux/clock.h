/* Waiting in slices, with a tick between two of them. */
#ifndef CLINUX_CLOCK_H
#define CLINUX_CLOCK_H

#include "clinux_tick.h"

#include <stddef.h>
#include <stdint.h>
#include <time.h>

/* The longest time between two ticks, in milliseconds. */
enum { TICK = 250 };

/* CLOCK_MONOTONIC in milliseconds. */
static inline int64_t milliseconds_now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

/* Calls the tick, and returns whether to go on waiting. */
static inline bool tick_once(struct clinux_tick tick) { return tick.function == NULL || tick.function(tick.context); }

#endif
