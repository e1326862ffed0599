/* Processes that ask the kernel what it may never answer, and can be left behind with it. */
#ifndef CLINUX_WORKER_H
#define CLINUX_WORKER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * A worker shares this process's memory (CLONE_VM), so that it costs no copy of the page tables: a plan is made in a few
 * milliseconds, and a fork takes more than one. It is no thread: one that is stuck in the kernel would keep its process
 * from ending. As it also shares the thread-local storage, errno included, it makes bare system calls (see bare.h), and
 * nothing that it runs is instrumented.
 */

/* Memory that workers use: it begins with this, and is unmapped when nobody uses it any more. */
struct region {
    size_t size;
    /* Whoever made it, and each worker that has not been reaped. */
    unsigned users;
};

struct worker {
    pid_t process;
    int (*work)(void *);
    struct region *region;
    /* What it is at, for whoever waits: the work's own number. */
    atomic_uint item;
    void *stack;
    /* Whoever started it waits for it no longer. */
    bool is_left;
};

/* How many workers there can be, with those that are stuck. There are as many as devices whose drivers hang. */
#define MOST_WORKERS 128

/* Zeros, of which the caller is a user; NULL without memory. */
void *make_region(size_t size);
void leave_region(struct region *region);

/* Returns the worker, which runs `work` with itself as the argument; NULL, and sets `error`. */
struct worker *start_worker(int (*work)(void *), struct region *region, int *error);

/* Waits for one that is about to end. */
void await_worker(struct worker *worker);

/* Ends one that may be stuck, and leaves it: it is reaped when the kernel has let go of it. */
void leave_worker(struct worker *worker);

/* Whether one that was left, and is still stuck, is at what `is_it` knows; `context` is handed on. */
bool has_stuck_worker(bool (*is_it)(const struct worker *, const void *), const void *context);

/* For a process that can be left behind, before anything else: it would keep the program's pipes and terminal open, and
 * whoever reads them waiting. */
void close_descriptors(void);

/* Sleeps until `word` is not `value` any more and somebody wakes it up, for so many milliseconds at most. */
void sleep_on(atomic_uint *word, unsigned value, int64_t milliseconds);
/* For a worker. */
void wake_up(atomic_uint *word);

#endif
