/* Worker processes for reads that may never return: a worker that is stuck in the kernel is left behind. */
#ifndef CLINUX_WORKER_H
#define CLINUX_WORKER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * A worker is a fork, and answers through memory that it shares with this process. It is not a thread, as a thread that
 * is stuck in the kernel would keep its process from ending. One worker answers many questions.
 */

/* The head of shared memory; it is unmapped when it has no users any more. */
struct region {
    size_t size;
    /* The process that made it counts, and each worker that has not been reaped. */
    unsigned users;
};

struct worker {
    pid_t process;
    void (*work)(struct region *);
    struct region *region;
    /* Whether it was left: the process that started it waits for it no longer. */
    bool is_left;
};

/* The most workers at a time, with those that are stuck: one for each device whose driver hangs. */
#define MOST_WORKERS 128

/* Makes a zeroed region of `size` bytes, with the caller as its user; NULL without memory. */
void *make_region(size_t size);
/* Ends the caller's use. */
void leave_region(struct region *region);

/* Starts a worker, which does `work` without any descriptor and ends. Returns NULL and sets `error` on failure. */
struct worker *start_worker(void (*work)(struct region *), struct region *region, int *error);

/* Waits for a worker that is about to end, and reaps it. */
void await_worker(struct worker *worker);

/* Kills a worker that may be stuck, and leaves it: it is reaped once it has ended. */
void leave_worker(struct worker *worker);

/* Whether `is_it` is true, with `context`, for a worker that was left and is still stuck. */
bool has_stuck_worker(bool (*is_it)(const struct worker *, const void *), const void *context);

/*
 * Closes all descriptors. A process that can be left behind calls this first: it would keep the program's pipes and
 * terminal open, and their readers waiting.
 */
void close_descriptors(void);

/* Sleeps until `word` is not `value` any more and wake_up() is called, at most `milliseconds`. */
void sleep_on(atomic_uint *word, unsigned value, int64_t milliseconds);
/* Ends sleep_on() for the word; a worker calls it. */
void wake_up(atomic_uint *word);

#endif
