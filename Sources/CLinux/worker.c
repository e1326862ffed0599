#define _GNU_SOURCE
#include "worker.h"

#include "call.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* The lock protects the table and the regions' users; nobody waits while holding it. */
static struct worker workers[MOST_WORKERS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void *make_region(size_t size) {
    int flags = MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE;
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
    leave_locked(worker->region);
    *worker = (struct worker){0};
}

static void reap_left(void) {
    for (int index = 0; index < MOST_WORKERS; index++) {
        struct worker *worker = &workers[index];
        if (worker->is_left && wait_for(worker->process, WNOHANG)) forget(worker);
    }
}

static struct worker *start_locked(void (*work)(struct region *), struct region *region, int *error) {
    reap_left();
    struct worker *worker = NULL;
    for (int index = 0; index < MOST_WORKERS && worker == NULL; index++) {
        if (workers[index].process == 0) worker = &workers[index];
    }
    if (worker == NULL) {
        *error = EAGAIN;
        return NULL;
    }
    pid_t process = fork();
    if (process < 0) {
        *error = errno;
        return NULL;
    }
    if (process == 0) {
        close_descriptors();
        work(region);
        _exit(0);
    }
    *worker = (struct worker){.process = process, .work = work, .region = region};
    region->users++;
    return worker;
}

struct worker *start_worker(void (*work)(struct region *), struct region *region, int *error) {
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

void close_descriptors(void) {
#ifdef SYS_close_range
    if (call(SYS_close_range, 0, ~0U, 0) == 0) return;
#endif
    /* Before Linux 5.9. By default a service has at most 1024 descriptors. */
    for (int descriptor = 0; descriptor < 1024; descriptor++) close(descriptor);
}

void sleep_on(atomic_uint *word, unsigned value, int64_t milliseconds) {
    struct timespec pause = {.tv_sec = milliseconds / 1000, .tv_nsec = milliseconds % 1000 * 1000000L};
    syscall(SYS_futex, word, FUTEX_WAIT, value, &pause);
}

void wake_up(atomic_uint *word) { syscall(SYS_futex, word, FUTEX_WAKE, 1); }
