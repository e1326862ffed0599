#define _GNU_SOURCE
#include "worker.h"

#include "bare.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define STACK_SIZE 65536

/* ThreadSanitizer takes clone() for a fork, and expects a copy of the process, which CLONE_VM does not make. */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
extern int __clone(int (*)(void *), void *, int, void *, ...);
#define clone __clone
#endif
#endif

/* The lock protects the table and the regions' users; nobody waits while holding it. */
static struct worker workers[MOST_WORKERS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void *make_region(size_t size) {
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    struct region *region = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (region == MAP_FAILED) return NULL;
    region->size = size;
    region->users = 1;
    return region;
}

static void leave_locked(struct region *region) {
    if (--region->users == 0) munmap(region, region->size);
}

void leave_region(struct region *region) {
    pthread_mutex_lock(&lock);
    leave_locked(region);
    pthread_mutex_unlock(&lock);
}

/* Returns whether the process has ended. */
static bool wait_for(pid_t process, int flags) {
    pid_t ended;
    do {
        ended = waitpid(process, NULL, flags);
    } while (ended < 0 && errno == EINTR);
    return ended != 0;
}

static void forget(struct worker *worker) {
    munmap(worker->stack, STACK_SIZE);
    leave_locked(worker->region);
    *worker = (struct worker){0};
}

static void reap_left(void) {
    for (int index = 0; index < MOST_WORKERS; index++) {
        struct worker *worker = &workers[index];
        if (worker->is_left && wait_for(worker->process, WNOHANG)) forget(worker);
    }
}

static struct worker *start_locked(int (*work)(void *), struct region *region, int *error) {
    reap_left();
    struct worker *worker = NULL;
    for (int index = 0; index < MOST_WORKERS && worker == NULL; index++) {
        if (workers[index].process == 0) worker = &workers[index];
    }
    if (worker == NULL) {
        *error = EAGAIN;
        return NULL;
    }
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    char *stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (stack == MAP_FAILED) {
        *error = errno;
        return NULL;
    }
    *worker = (struct worker){.work = work, .region = region, .stack = stack};
    pid_t process = clone(work, stack + STACK_SIZE, CLONE_VM | SIGCHLD, worker);
    if (process < 0) {
        *error = errno;
        munmap(stack, STACK_SIZE);
        return NULL;
    }
    worker->process = process;
    region->users++;
    return worker;
}

struct worker *start_worker(int (*work)(void *), struct region *region, int *error) {
    pthread_mutex_lock(&lock);
    struct worker *worker = start_locked(work, region, error);
    pthread_mutex_unlock(&lock);
    return worker;
}

void await_worker(struct worker *worker) {
    wait_for(worker->process, 0);
    pthread_mutex_lock(&lock);
    forget(worker);
    pthread_mutex_unlock(&lock);
}

void leave_worker(struct worker *worker) {
    kill(worker->process, SIGKILL);
    pthread_mutex_lock(&lock);
    worker->is_left = true;
    reap_left();
    pthread_mutex_unlock(&lock);
}

bool has_stuck_worker(bool (*is_it)(const struct worker *, const void *), const void *context) {
    bool has = false;
    pthread_mutex_lock(&lock);
    for (int index = 0; index < MOST_WORKERS && !has; index++) {
        struct worker *worker = &workers[index];
        if (!worker->is_left || !is_it(worker, context)) continue;
        has = !wait_for(worker->process, WNOHANG);
        if (!has) forget(worker);
    }
    pthread_mutex_unlock(&lock);
    return has;
}

UNINSTRUMENTED void close_descriptors(void) {
#ifdef SYS_close_range
    if (bare(SYS_close_range, 0, ~0U, 0, 0) == 0) return;
#endif
    /* Before Linux 5.9. By default a service has at most 1024 descriptors. */
    for (int descriptor = 0; descriptor < 1024; descriptor++) bare(SYS_close, descriptor, 0, 0, 0);
}

void sleep_on(atomic_uint *word, unsigned value, int64_t milliseconds) {
    struct timespec pause = {.tv_sec = milliseconds / 1000, .tv_nsec = milliseconds % 1000 * 1000000L};
    bare(SYS_futex, (long)word, FUTEX_WAIT_PRIVATE, value, (long)&pause);
}

UNINSTRUMENTED void wake_up(atomic_uint *word) { bare(SYS_futex, (long)word, FUTEX_WAKE_PRIVATE, 1, 0); }
