#define _GNU_SOURCE
#include "clinux_command_line.h"

#include "call.h"
#include "clock.h"
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

/* One command line in shared memory. */
struct line {
    struct region region;
    atomic_uint is_done;
    int error;
    size_t size;
    char path[32];
    char text[CLINUX_COMMAND_LINE_SIZE];
};

static void read_line(struct region *region) {
    struct line *line = (struct line *)region;
    long file = call(SYS_openat, AT_FDCWD, line->path, O_RDONLY | O_CLOEXEC);
    long result = file;
    while (result >= 0 && line->size < sizeof line->text) {
        result = call(SYS_read, file, line->text + line->size, sizeof line->text - line->size);
        if (result <= 0) break;
        line->size += (size_t)result;
    }
    if (result < 0) line->error = (int)-result;
    atomic_store_explicit(&line->is_done, 1, memory_order_release);
    wake_up(&line->is_done);
}

int clinux_command_line(pid_t process, int *milliseconds, struct clinux_tick tick, char *text, size_t *size) {
    *size = 0;
    struct line *line = make_region(sizeof *line);
    if (line == NULL) return ENOMEM;
    snprintf(line->path, sizeof line->path, "/proc/%d/cmdline", (int)process);
    int error = 0;
    struct worker *worker = start_worker(read_line, &line->region, &error);
    int64_t deadline = milliseconds_now() + *milliseconds;
    while (worker != NULL && error == 0 && atomic_load(&line->is_done) == 0) {
        int64_t left = deadline - milliseconds_now();
        if (left <= 0) {
            error = ETIMEDOUT;
        } else {
            sleep_on(&line->is_done, 0, left < TICK ? left : TICK);
            if (!tick_once(tick) && atomic_load(&line->is_done) == 0) error = ECANCELED;
        }
    }
    if (worker != NULL && error != 0) leave_worker(worker);
    if (worker != NULL && error == 0) {
        await_worker(worker);
        error = line->error;
        *size = line->size;
        memcpy(text, line->text, line->size);
    }
    leave_region(&line->region);
    int64_t left = deadline - milliseconds_now();
    *milliseconds = left > 0 ? (int)left : 0;
    return error;
}
