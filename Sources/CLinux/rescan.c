#define _GNU_SOURCE
#include "clinux_rescan.h"

#include "clinux_open.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

struct watch {
    const char *root;
    const char *driver_override;
    const char *value;
    atomic_bool started;
    atomic_bool rescanned;
    int override_errno;
    bool during_rescan;
};

static void *watch_override(void *argument) {
    struct watch *watch = argument;
    atomic_store(&watch->started, true);
    for (;;) {
        /* Read before the attempt: the first attempt that begins after the rescan's end is the last one. */
        bool was_rescanned = atomic_load(&watch->rescanned);
        watch->override_errno = clinux_put(watch->root, watch->driver_override, watch->value);
        watch->during_rescan = !was_rescanned;
        /* ENODEV: the directory is there, and the device is not there yet or not any more. */
        bool is_absent = watch->override_errno == ENOENT || watch->override_errno == ENODEV;
        if (!is_absent || was_rescanned) return NULL;
    }
}

/*
 * Two threads on one processor would take turns, and the watcher would be too late: it gets the last processor that
 * this process may use, and the writer any other. With a single processor there is no choice.
 */
static void separate(pthread_t watcher, cpu_set_t *former) {
    CPU_ZERO(former);
    if (pthread_getaffinity_np(pthread_self(), sizeof(*former), former) != 0 || CPU_COUNT(former) < 2) return;
    int last = CPU_SETSIZE - 1;
    while (!CPU_ISSET(last, former)) last--;
    cpu_set_t alone;
    CPU_ZERO(&alone);
    CPU_SET(last, &alone);
    cpu_set_t others = *former;
    CPU_CLR(last, &others);
    /* Without permission the threads stay where the scheduler puts them. */
    pthread_setaffinity_np(watcher, sizeof(alone), &alone);
    pthread_setaffinity_np(pthread_self(), sizeof(others), &others);
}

int clinux_rescan(
    const char *root, const char *rescan, const char *driver_override, const char *value,
    struct clinux_rescan *result) {
    struct watch watch = {.root = root, .driver_override = driver_override, .value = value};
    pthread_t watcher;
    int error = pthread_create(&watcher, NULL, watch_override, &watch);
    if (error != 0) return error;
    cpu_set_t former;
    separate(watcher, &former);
    while (!atomic_load(&watch.started)) sched_yield();
    result->rescan_errno = clinux_put(root, rescan, "1");
    atomic_store(&watch.rescanned, true);
    pthread_join(watcher, NULL);
    if (CPU_COUNT(&former) > 0) pthread_setaffinity_np(pthread_self(), sizeof(former), &former);
    result->override_errno = watch.override_errno;
    result->during_rescan = watch.during_rescan;
    return 0;
}
