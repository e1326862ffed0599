#define _GNU_SOURCE
#include "clinux_read.h"

#include "bare.h"
#include "clinux_open.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fb.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/*
 * The reading process shares this one's memory (CLONE_VM), so that it costs no copy of the page tables: a plan is made in
 * a few milliseconds, and a fork takes more than one. It is no thread: one that is stuck in the kernel would keep its
 * process from ending. As it also shares the thread-local storage, errno included, it makes bare system calls.
 */
#define STACK_SIZE 65536

_Static_assert(sizeof(struct fb_fix_screeninfo) <= CLINUX_READ_SIZE, "an answer has room for it");

/* ThreadSanitizer takes clone() for a fork, and finds the threads of its copy missing where there is no copy. */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
extern int __clone(int (*)(void *), void *, int, void *, ...);
#define clone __clone
#endif
#endif

struct batch {
    /* How many results are there. */
    atomic_uint done;
    /* Set when they all are; a futex. A wake-up for each would cost more than the reads. */
    atomic_uint is_complete;
    enum clinux_kind kind;
    const char *root;
    unsigned count;
    const char **paths;
    int *errors;
    char *answers;
    size_t size;
};

/* Processes of this one that are stuck with a read. There are as many as devices whose drivers hang. */
#define MOST_STUCK 16
static struct {
    pid_t process;
    struct batch *batch;
    const char *path;
} stuck[MOST_STUCK];
static pthread_mutex_t stuck_lock = PTHREAD_MUTEX_INITIALIZER;

static int are_same(const char *root, const char *other) {
    return root == NULL || other == NULL ? root == other : strcmp(root, other) == 0;
}

static int is_stuck(const char *root, const char *path) {
    int answer = 0;
    pthread_mutex_lock(&stuck_lock);
    for (int index = 0; index < MOST_STUCK; index++) {
        if (stuck[index].process == 0 || strcmp(stuck[index].path, path) != 0) continue;
        if (!are_same(stuck[index].batch->root, root)) continue;
        pid_t ended;
        do {
            ended = waitpid(stuck[index].process, NULL, WNOHANG);
        } while (ended < 0 && errno == EINTR);
        if (ended == 0) {
            answer = 1;
        } else {
            stuck[index].process = 0;
            munmap(stuck[index].batch, stuck[index].batch->size);
        }
    }
    pthread_mutex_unlock(&stuck_lock);
    return answer;
}

/* Without room the process is forgotten, and its memory with it: that is the lesser evil. */
static void remember(pid_t process, struct batch *batch, const char *path) {
    pthread_mutex_lock(&stuck_lock);
    for (int index = 0; index < MOST_STUCK; index++) {
        if (stuck[index].process != 0) continue;
        stuck[index].process = process;
        stuck[index].batch = batch;
        stuck[index].path = path;
        break;
    }
    pthread_mutex_unlock(&stuck_lock);
}

UNINSTRUMENTED static int read_all(void *argument) {
    struct batch *batch = argument;
    /* Left behind, it would keep the program's pipes and terminal open, and whoever reads them waiting. */
#ifdef SYS_close_range
    if (bare(SYS_close_range, 0, ~0U, 0, 0) != 0)
#endif
        for (int descriptor = 0; descriptor < 1024; descriptor++) bare(SYS_close, descriptor, 0, 0, 0);
    for (unsigned index = 0; index < batch->count; index++) {
        int file = clinux_open(batch->root, batch->paths[index], O_RDONLY | O_NOFOLLOW);
        if (file < 0) {
            batch->errors[index] = -file;
        } else {
            /* The room is zeros so far: a text ends where the read does. */
            long answer = (long)(batch->answers + index * CLINUX_READ_SIZE);
            long result = batch->kind == CLINUX_FRAMEBUFFER
                              ? bare(SYS_ioctl, file, FBIOGET_FSCREENINFO, answer, 0)
                              : bare(SYS_read, file, answer, CLINUX_READ_SIZE - 1, 0);
            if (result < 0) batch->errors[index] = (int)-result;
            bare(SYS_close, file, 0, 0, 0);
        }
        atomic_fetch_add_explicit(&batch->done, 1, memory_order_release);
    }
    atomic_store_explicit(&batch->is_complete, 1, memory_order_release);
    bare(SYS_futex, (long)&batch->is_complete, FUTEX_WAKE_PRIVATE, 1, 0);
    return 0;
}

/* Room for a stack, the batch, its results, and its paths: they outlive the caller when the process gets stuck. */
static struct batch *make_batch(
    enum clinux_kind kind, const char *root, const char *const *paths, size_t count) {
    size_t size = sizeof(struct batch) + count * (sizeof(char *) + sizeof(int) + CLINUX_READ_SIZE) + STACK_SIZE;
    if (root != NULL) size += strlen(root) + 1;
    for (size_t index = 0; index < count; index++) size += strlen(paths[index]) + 1;
    void *room = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (room == MAP_FAILED) return NULL;
    struct batch *batch = room;
    batch->size = size;
    batch->kind = kind;
    batch->count = (unsigned)count;
    batch->paths = (const char **)(batch + 1);
    batch->errors = (int *)(batch->paths + count);
    batch->answers = (char *)(batch->errors + count);
    /* The stack is at the end and grows down, towards the paths' texts. */
    char *text = batch->answers + count * CLINUX_READ_SIZE;
    for (size_t index = 0; index < count; index++) {
        batch->paths[index] = text;
        text = stpcpy(text, paths[index]) + 1;
    }
    if (root != NULL) batch->root = strcpy(text, root);
    return batch;
}

static void *stack_of(struct batch *batch) {
    unsigned long top = (unsigned long)batch + batch->size;
    return (void *)(top & ~15UL);
}

/* Until all results are there, or none has come for so long; returns how many there are. */
static unsigned await_batch(struct batch *batch, int milliseconds) {
    struct timespec patience = {.tv_sec = milliseconds / 1000, .tv_nsec = milliseconds % 1000 * 1000000L};
    unsigned before = 0;
    for (;;) {
        long result = bare(SYS_futex, (long)&batch->is_complete, FUTEX_WAIT_PRIVATE, 0, (long)&patience);
        unsigned done = atomic_load_explicit(&batch->done, memory_order_acquire);
        if (done == batch->count || (result == -ETIMEDOUT && done == before)) return done;
        if (result == -ETIMEDOUT) before = done;
    }
}

/* Asks one process for all of them; returns how many were answered, the one that hangs included, or -errno. */
static long read_some(
    enum clinux_kind kind, const char *root, const char *const *paths, size_t count, int milliseconds, int *errors,
    char *answers) {
    struct batch *batch = make_batch(kind, root, paths, count);
    if (batch == NULL) return -ENOMEM;
    pid_t process = clone(read_all, stack_of(batch), CLONE_VM | SIGCHLD, batch);
    if (process < 0) {
        int error = errno;
        munmap(batch, batch->size);
        return -error;
    }
    unsigned done = await_batch(batch, milliseconds);
    memcpy(errors, batch->errors, done * sizeof *errors);
    memcpy(answers, batch->answers, done * CLINUX_READ_SIZE);
    if (done == count) {
        while (waitpid(process, NULL, 0) < 0 && errno == EINTR) {}
        munmap(batch, batch->size);
        return (long)done;
    }
    errors[done] = ETIMEDOUT;
    kill(process, SIGKILL);
    remember(process, batch, batch->paths[done]);
    return (long)done + 1;
}

int clinux_read_guarded(
    enum clinux_kind kind, const char *root, const char *const *paths, size_t count, int milliseconds, int *errors,
    char *answers) {
    size_t done = 0;
    while (done < count) {
        /* The other consoles would wait for the same lock. */
        bool is_known = kind == CLINUX_CONSOLE && done > 0 && errors[done - 1] == ETIMEDOUT;
        if (is_known || is_stuck(root, paths[done])) {
            errors[done++] = ETIMEDOUT;
            continue;
        }
        /* Up to the next file that is known to hang. */
        size_t end = done + 1;
        while (end < count && !is_stuck(root, paths[end])) end++;
        long read = read_some(
            kind, root, paths + done, end - done, milliseconds, errors + done, answers + done * CLINUX_READ_SIZE);
        if (read < 0) return (int)-read;
        done += (size_t)read;
    }
    return 0;
}
