#define _GNU_SOURCE
#include "clinux_read.h"

#include "call.h"
#include "clinux_open.h"
#include "clock.h"
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fb.h>
#include <string.h>
#include <sys/syscall.h>

/* After so many milliseconds without an answer, another worker goes on with the rest. */
#define STALL 50

#define HEADER_SIZE 64

_Static_assert(sizeof(struct fb_fix_screeninfo) <= CLINUX_READ_SIZE, "an answer has room for it");

/* One question in shared memory. */
struct item {
    enum clinux_kind kind;
    const char *path;
    /* The process that reads it, or has read it; 0 before that. */
    atomic_int reader;
    atomic_bool is_done;
    int error;
    size_t size;
    char answer[CLINUX_READ_SIZE];
};

/* All questions of one call. */
struct batch {
    struct region region;
    /* The first item that no worker has taken yet. */
    atomic_uint next;
    atomic_uint done;
    /* Set when all items are done; a futex. A wake-up for each item would cost more than the reads. */
    atomic_uint is_complete;
    unsigned count;
    const char *root;
    struct item items[];
};

static bool are_same(const char *root, const char *other) {
    return root == NULL || other == NULL ? root == other : strcmp(root, other) == 0;
}

/* --- The worker, or this process without a deadline --- */

static void ask(const char *root, struct item *item) {
    int file = clinux_open(root, item->path, O_RDONLY | O_NOFOLLOW);
    if (file < 0) {
        item->error = -file;
        return;
    }
    /* The answer is zeroed, so a text ends with a NUL where the read ends. */
    size_t room = item->kind == CLINUX_CONFIGURATION ? HEADER_SIZE : CLINUX_READ_SIZE - 1;
    long result = item->kind == CLINUX_FRAMEBUFFER ? call(SYS_ioctl, file, FBIOGET_FSCREENINFO, item->answer)
                                                   : call(SYS_read, file, item->answer, room);
    if (item->kind == CLINUX_FRAMEBUFFER && result == 0) result = sizeof(struct fb_fix_screeninfo);
    /* Below another root a plain file stands for the node, and holds the answer: a report has such files. */
    if (item->kind == CLINUX_FRAMEBUFFER && result == -ENOTTY && root != NULL) {
        result = call(SYS_read, file, item->answer, sizeof(struct fb_fix_screeninfo));
    }
    if (result < 0) {
        item->error = (int)-result;
    } else {
        item->size = (size_t)result;
    }
    close(file);
}

/*
 * Takes one item, or all consoles that follow each other, as they would wait for the same lock. False when none is
 * left.
 */
static bool take(struct batch *batch, unsigned *first, unsigned *end) {
    unsigned next = atomic_load(&batch->next);
    do {
        if (next >= batch->count) return false;
        *first = next;
        *end = next + 1;
        if (batch->items[next].kind != CLINUX_CONSOLE) continue;
        while (*end < batch->count && batch->items[*end].kind == CLINUX_CONSOLE) ++*end;
    } while (!atomic_compare_exchange_weak(&batch->next, &next, *end));
    return true;
}

static void ask_all(struct region *region) {
    struct batch *batch = (struct batch *)region;
    pid_t reader = getpid();
    unsigned index, end;
    while (take(batch, &index, &end)) {
        for (; index < end; index++) {
            struct item *item = &batch->items[index];
            atomic_store(&item->reader, reader);
            /* An item that is known to hang has its answer already. */
            if (!atomic_load(&item->is_done)) ask(batch->root, item);
            if (atomic_exchange_explicit(&item->is_done, true, memory_order_release)) continue;
            if (atomic_fetch_add(&batch->done, 1) + 1 < batch->count) continue;
            atomic_store(&batch->is_complete, 1);
            wake_up(&batch->is_complete);
        }
    }
}

/* --- This process --- */

/* A question and the root below which it is asked. */
struct place {
    const char *root;
    const struct clinux_question *question;
};

/* Whether the worker reads the same file, or waits for the lock that all consoles share. */
static bool is_at(const struct worker *worker, const void *context) {
    const struct place *place = context;
    if (worker->work != ask_all) return false;
    const struct batch *batch = (struct batch *)worker->region;
    if (!are_same(batch->root, place->root)) return false;
    for (unsigned index = 0; index < batch->count; index++) {
        const struct item *item = &batch->items[index];
        if (atomic_load(&item->reader) != worker->process || atomic_load(&item->is_done)) continue;
        bool is_console = item->kind == CLINUX_CONSOLE && place->question->kind == CLINUX_CONSOLE;
        if (is_console || strcmp(item->path, place->question->path) == 0) return true;
    }
    return false;
}

/*
 * Makes the batch, with its items and their paths. A question whose file a stuck worker is reading is answered at once.
 */
static struct batch *make_batch(const char *root, const struct clinux_question *questions, size_t count) {
    size_t size = sizeof(struct batch) + count * sizeof(struct item);
    if (root != NULL) size += strlen(root) + 1;
    for (size_t index = 0; index < count; index++) size += strlen(questions[index].path) + 1;
    struct batch *batch = make_region(size);
    if (batch == NULL) return NULL;
    batch->count = (unsigned)count;
    char *text = (char *)&batch->items[count];
    for (size_t index = 0; index < count; index++) {
        struct item *item = &batch->items[index];
        item->kind = questions[index].kind;
        item->path = text;
        text = stpcpy(text, questions[index].path) + 1;
        const struct place place = {root, &questions[index]};
        if (!has_stuck_worker(is_at, &place)) continue;
        item->error = ETIMEDOUT;
        item->is_done = true;
        batch->done++;
    }
    if (root != NULL) batch->root = strcpy(text, root);
    return batch;
}

/* The workers of one batch, in the order in which they were started. */
struct crew {
    struct worker *workers[MOST_WORKERS];
    unsigned count;
};

/*
 * Waits until all items are done or the deadline has passed. Returns 0, or the errno of starting the first worker.
 * `late` is set to the error of the items that are not done.
 */
static int await(
    struct batch *batch, struct crew *crew, int64_t deadline, struct clinux_tick tick, int *late) {
    unsigned done = ~0U;
    int64_t stalled = 0;
    /* The first item that was left when the last worker was started. */
    unsigned left = 0;
    for (;;) {
        int64_t time = milliseconds_now();
        unsigned before = done;
        done = atomic_load(&batch->done);
        if (done == batch->count || time >= deadline) return 0;
        if (done != before) stalled = time + STALL;
        unsigned next = atomic_load(&batch->next);
        bool has_more = next < batch->count;
        /* On a busy machine the last worker may not have begun yet, and another one would not begin sooner. */
        bool is_stuck = has_more && next > left && time >= stalled;
        if (crew->count == 0 || (is_stuck && crew->count < MOST_WORKERS)) {
            left = next;
            int error = 0;
            struct worker *worker = start_worker(ask_all, &batch->region, &error);
            if (worker == NULL && crew->count == 0) return error;
            if (worker != NULL) crew->workers[crew->count++] = worker;
            stalled = time + STALL;
        }
        int64_t end = time + TICK;
        if (has_more && stalled < end) end = stalled;
        if (deadline < end) end = deadline;
        sleep_on(&batch->is_complete, 0, end > time ? end - time : 1);
        if (!tick_once(tick) && atomic_load(&batch->done) < batch->count) {
            *late = ECANCELED;
            return 0;
        }
    }
}

static void copy_answers(const struct batch *batch, struct clinux_question *questions, int late) {
    for (unsigned index = 0; index < batch->count; index++) {
        const struct item *item = &batch->items[index];
        questions[index].error = late;
        questions[index].size = 0;
        if (!atomic_load_explicit(&item->is_done, memory_order_acquire)) continue;
        questions[index].error = item->error;
        questions[index].size = item->size;
        memcpy(questions[index].answer, item->answer, CLINUX_READ_SIZE);
    }
}

/* Asks one question after the other, in this process. */
static void read_here(const char *root, struct clinux_question *questions, size_t count) {
    for (size_t index = 0; index < count; index++) {
        struct item item = {.kind = questions[index].kind, .path = questions[index].path};
        ask(root, &item);
        questions[index].error = item.error;
        questions[index].size = item.size;
        memcpy(questions[index].answer, item.answer, CLINUX_READ_SIZE);
    }
}

int clinux_read_within(
    int milliseconds, const char *root, struct clinux_question *questions, size_t count, struct clinux_tick tick) {
    if (milliseconds < 0) read_here(root, questions, count);
    if (count == 0 || milliseconds < 0) return 0;
    struct batch *batch = make_batch(root, questions, count);
    if (batch == NULL) return ENOMEM;
    struct crew crew = {.count = 0};
    int late = ETIMEDOUT;
    int error = await(batch, &crew, milliseconds_now() + milliseconds, tick, &late);
    if (error == 0) copy_answers(batch, questions, late);
    /* When all items are done, the workers end by themselves. */
    bool is_complete = atomic_load(&batch->is_complete) != 0;
    for (unsigned index = 0; index < crew.count; index++) {
        if (is_complete) {
            await_worker(crew.workers[index]);
        } else {
            leave_worker(crew.workers[index]);
        }
    }
    leave_region(&batch->region);
    return error;
}
