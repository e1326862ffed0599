#define _GNU_SOURCE
#include "clinux_devices.h"

#include "call.h"
#include "clinux_maps.h"
#include "clock.h"
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

uint64_t clinux_device(dev_t device) { return CLINUX_DEVICE(major(device), minor(device)); }

/* How often the mappings of a process are read, when they change meanwhile. */
#define MOST_LOOKS 3

/* More than the longest line of maps, which has four characters for each character of a path. */
#define BUFFER_SIZE 65536
/* Places for files that were looked at, a power of two: most files are mapped by many processes, and looked at once. */
#define FILES (1 << 17)
#define IS_OTHER (~0U)

/* A file, by a hash of what identifies it in maps, and the index of its device. A free place has the hash 0. */
struct file {
    uint64_t hash;
    unsigned device;
};

/* One search in shared memory. */
struct search {
    struct region region;
    atomic_uint is_complete;
    uint64_t seed;
    size_t process_count;
    size_t device_count;
    const pid_t *processes;
    const uint64_t *devices;
    /* By device: whether the process that is looked at has it. */
    bool *held;
    size_t capacity;
    atomic_size_t found_count;
    struct clinux_holding *found;
    /* The next process to be looked at. */
    atomic_uint next;
    size_t file_count;
    struct file files[FILES];
    char buffer[BUFFER_SIZE];
    char path[128];
};

/* --- The worker --- */

/* Eight bytes, without alignment. */
struct __attribute__((packed)) word {
    uint64_t value;
};

#define EACH_BYTE(value) (0x0101010101010101ULL * (value))

static uint64_t word_at(const char *text) { return ((const struct word *)text)->value; }

/* The next line feed, or `end` without one. */
static const char *line_feed(const char *text, const char *end) {
    while (end - text >= 8) {
        uint64_t difference = word_at(text) ^ EACH_BYTE('\n');
        if (((difference - EACH_BYTE(0x01)) & ~difference & EACH_BYTE(0x80)) != 0) break;
        text += 8;
    }
    while (text < end && *text != '\n') text++;
    return text;
}

static bool begins(const char *text, const char *end, const char *prefix) {
    while (*prefix != 0) {
        if (text == end || *text++ != *prefix++) return false;
    }
    return true;
}

static char *append(char *end, const char *text) {
    while (*text != 0) *end++ = *text++;
    *end = 0;
    return end;
}

static char *append_number(char *end, unsigned long number) {
    char digits[20];
    int count = 0;
    do {
        digits[count++] = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    while (count > 0) *end++ = digits[--count];
    *end = 0;
    return end;
}

static void tell(struct search *search, pid_t process, int error, unsigned device) {
    size_t place = atomic_load(&search->found_count);
    if (place >= search->capacity) return;
    /* The last place tells that there was no room for more. */
    if (place + 1 == search->capacity) error = E2BIG;
    search->found[place] = (struct clinux_holding){.process = process, .error = error, .device = device};
    atomic_store(&search->found_count, place + 1);
}

/* The error, or 0 for one that means that the process has ended. */
static int as_denial(long error) { return error == ENOENT || error == ESRCH ? 0 : (int)error; }

/*
 * The number of a character device, or 0. The mask is empty: the kernel fills in type and device number all the same
 * (generic_fillattr()). Returns 0 or errno.
 */
static int number_at(long folder, const char *name, uint64_t *number) {
    struct statx status;
    *number = 0;
    long result = call(SYS_statx, folder, name, AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC, 0, &status);
    if (result < 0) {
        /*
         * EACCES may come from the file system behind a link of /proc, and not from /proc itself: reading the link
         * needs the same permission as following it, and does not ask that file system. Another user's FUSE answers
         * EACCES (fuse_getattr()). It has no devices (nodev), and must not count as hidden, or anyone could keep the
         * card from being claimed.
         */
        char target;
        if (result == -EACCES && call(SYS_readlinkat, folder, name, &target, 1) != -EACCES) return 0;
        return (int)-result;
    }
    if (S_ISCHR(status.stx_mode)) *number = CLINUX_DEVICE(status.stx_rdev_major, status.stx_rdev_minor);
    return 0;
}

static unsigned index_of(const struct search *search, uint64_t number) {
    for (size_t index = 0; index < search->device_count && number != 0; index++) {
        if (search->devices[index] == number) return (unsigned)index;
    }
    return IS_OTHER;
}

/*
 * Whether the descriptor was opened with O_PATH. False when that cannot be read: the descriptor was there a moment ago,
 * and counts as open.
 */
static bool is_only_a_path(long folder, const char *descriptor) {
    char path[64], text[512];
    append(append(path, "../fdinfo/"), descriptor);
    long file = call(SYS_openat, folder, path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return false;
    long length = call(SYS_read, file, text, sizeof text - 1);
    close(file);
    for (long start = 0; start < length; start++) {
        if (!begins(text + start, text + length, "flags:")) continue;
        unsigned long flags = 0;
        for (start += 6; start < length && text[start] != '\n'; start++) {
            if (text[start] >= '0' && text[start] <= '7') flags = flags * 8 + (unsigned long)(text[start] - '0');
        }
        return (flags & O_PATH) != 0;
    }
    return false;
}

/* An entry of getdents64(2). */
struct entry {
    uint64_t inode;
    int64_t offset;
    unsigned short size;
    unsigned char type;
    char name[];
};

/*
 * Looks at a folder of descriptors, /proc/PID/fd or a thread's. Returns 0 or errno, which may be that of one
 * descriptor.
 */
static int look_at_descriptors(struct search *search, size_t *count) {
    long folder = call(SYS_openat, AT_FDCWD, search->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) return (int)-folder;
    int error = 0;
    long length;
    while ((length = call(SYS_getdents64, folder, search->buffer, BUFFER_SIZE)) > 0) {
        for (long place = 0; place < length;) {
            const struct entry *entry = (const struct entry *)(search->buffer + place);
            place += entry->size;
            if (entry->name[0] == '.') continue;
            ++*count;
            uint64_t number;
            int failed = number_at(folder, entry->name, &number);
            if (failed == EACCES) error = failed;
            unsigned device = index_of(search, number);
            if (device == IS_OTHER || search->held[device]) continue;
            search->held[device] = !is_only_a_path(folder, entry->name);
        }
    }
    if (length < 0 && error == 0) error = (int)-length;
    close(folder);
    return error;
}

/*
 * When a process's first thread has ended, only the other threads show its descriptors (get_files_struct()).
 */
static int look_at_threads(struct search *search, pid_t process) {
    char *end = append(append_number(append(search->path, "/proc/"), (unsigned long)process), "/task");
    long folder = call(SYS_openat, AT_FDCWD, search->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) return (int)-folder;
    /*
     * A buffer of its own, as the search's is for the descriptors; longer lists of threads are read in several pieces.
     */
    char names[4096];
    int error = 0;
    long length;
    while ((length = call(SYS_getdents64, folder, names, sizeof names)) > 0) {
        for (long place = 0; place < length;) {
            const struct entry *entry = (const struct entry *)(names + place);
            place += entry->size;
            if (entry->name[0] == '.') continue;
            append(append(append(end, "/"), entry->name), "/fd");
            size_t count = 0;
            int failed = as_denial(look_at_descriptors(search, &count));
            if (error == 0) error = failed;
        }
    }
    close(folder);
    return error;
}

static uint64_t mixed(uint64_t hash, uint64_t word) {
    hash = (hash ^ word) * 0x9e3779b97f4a7c15ULL;
    return hash ^ hash >> 29;
}

static uint64_t hash_of(const struct search *search, const char *text, size_t length) {
    uint64_t hash = search->seed ^ length;
    for (; length >= 8; text += 8, length -= 8) hash = mixed(hash, word_at(text));
    uint64_t rest = 0;
    while (length > 0) rest = rest << 8 | (unsigned char)text[--length];
    hash = mixed(hash, rest);
    return hash == 0 ? 1 : hash;
}

/* The place of the file with this hash, or the free place for it. */
static struct file *place_of(struct search *search, uint64_t hash) {
    size_t place = hash & (FILES - 1);
    while (search->files[place].hash != 0 && search->files[place].hash != hash) place = (place + 1) & (FILES - 1);
    return &search->files[place];
}

static char *append_hex(char *end, uint64_t number) {
    int shift = 60;
    while (shift > 0 && number >> shift == 0) shift -= 4;
    for (; shift >= 0; shift -= 4) *end++ = "0123456789abcdef"[number >> shift & 0xf];
    *end = 0;
    return end;
}

/*
 * The device behind a mapping. Its link in map_files has the range as its name, without leading zeros. Returns 0 or
 * errno.
 */
static int device_behind(
    struct search *search, pid_t process, uint64_t start, uint64_t end, unsigned *device) {
    char *path = append(append_number(append(search->path, "/proc/"), (unsigned long)process), "/map_files/");
    append_hex(append(append_hex(path, start), "-"), end);
    uint64_t number;
    int error = number_at(AT_FDCWD, search->path, &number);
    *device = index_of(search, number);
    return error;
}

static uint64_t hex(const char **text, const char *end) {
    uint64_t number = 0;
    for (; *text < end; ++*text) {
        char digit = **text;
        int value = digit >= '0' && digit <= '9' ? digit - '0' : digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
        if (value < 0) break;
        number = number << 4 | (unsigned)value;
    }
    return number;
}

/*
 * Looks at a mapped file, if it is the first time. The hash 0 means that nothing identifies the file: it is looked at
 * each time. Returns 0 or errno.
 */
static int look_at_file(
    struct search *search, pid_t process, uint64_t hash, uint64_t start, uint64_t end) {
    struct file *file = hash == 0 ? NULL : place_of(search, hash);
    unsigned device = file == NULL ? IS_OTHER : file->device;
    if (file == NULL || file->hash == 0) {
        int error = device_behind(search, process, start, end, &device);
        if (error != 0) return error;
        /* A table that is three quarters full takes no more files. */
        if (file != NULL && search->file_count < FILES / 4 * 3) {
            file->device = device;
            file->hash = hash;
            search->file_count++;
        }
    }
    if (device != IS_OTHER) search->held[device] = true;
    return 0;
}

/* struct procmap_query of linux/fs.h, which is fixed since Linux 6.11, and missing in older headers. */
struct query {
    uint64_t size, flags, address;
    uint64_t start, end, mapping_flags, page_size, offset, inode;
    uint32_t major, minor, name_size, build_id_size;
    uint64_t name, build_id;
};
#define PROCMAP_QUERY_NUMBER _IOWR('f', 17, struct query)
enum { COVERING_OR_NEXT = 0x10, FILE_BACKED = 0x20 };

/*
 * Asks the kernel for one mapping of a file after the other: printing the paths in maps takes it fifty times as long.
 *
 * Returns 0 or errno: ENOTTY where the kernel does not have this ioctl.
 */
static int query_maps(struct search *search, pid_t process, long maps, bool *is_whole) {
    uint64_t address = 0;
    int error = 0;
    for (;;) {
        struct query query;
        uint64_t *words = (uint64_t *)&query;
        for (size_t word = 0; word < sizeof query / sizeof *words; word++) words[word] = 0;
        query.size = sizeof query;
        query.flags = COVERING_OR_NEXT | FILE_BACKED;
        query.address = address;
        long result = call(SYS_ioctl, maps, PROCMAP_QUERY_NUMBER, &query);
        if (result == -ENOENT) return error;
        if (result < 0) return (int)-result;
        /* Subvolumes of one file system (major 0) may use an inode number twice. */
        uint64_t hash = 0;
        if (query.major != 0) {
            hash = mixed(mixed(search->seed, (uint64_t)query.major << 32 | query.minor), query.inode);
            if (hash == 0) hash = 1;
        }
        int failed = look_at_file(search, process, hash, query.start, query.end);
        if (failed == ENOENT) *is_whole = false;
        if (failed != 0 && failed != ENOENT && error == 0) error = failed;
        address = query.end;
    }
}

/* Looks at one line of maps. Returns 0 or errno: ENOENT when the mapping has changed meanwhile. */
static int look_at_line(struct search *search, pid_t process, const char *line, size_t length) {
    struct clinux_mapping mapping;
    if (!clinux_mapping_of_line(line, length, &mapping)) return 0;
    const char *place = mapping.range, *range_end = mapping.range + mapping.range_length;
    uint64_t start = hex(&place, range_end);
    if (place < range_end) place++;
    uint64_t end = hex(&place, range_end);
    return look_at_file(search, process, hash_of(search, mapping.file, mapping.file_length), start, end);
}

/* Reads maps once. Returns 0 or errno; `is_whole` is set to whether every mapping was still there as it was listed. */
static int look_at_maps(struct search *search, pid_t process, bool *is_whole) {
    append(append_number(append(search->path, "/proc/"), (unsigned long)process), "/maps");
    long file = call(SYS_openat, AT_FDCWD, search->path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return (int)-file;
    size_t kept = 0;
    *is_whole = true;
    int error = query_maps(search, process, file, is_whole);
    if (error != ENOTTY && error != EINVAL) {
        close(file);
        return error;
    }
    error = 0;
    for (;;) {
        long length = call(SYS_read, file, search->buffer + kept, BUFFER_SIZE - kept);
        if (length <= 0) {
            if (length < 0) error = (int)-length;
            break;
        }
        const char *start = search->buffer, *end = start + kept + length;
        for (const char *feed; (feed = line_feed(start, end)) != end; start = feed + 1) {
            int failed = look_at_line(search, process, start, (size_t)(feed - start));
            if (failed == ENOENT) *is_whole = false;
            if (failed != 0 && failed != ENOENT && error == 0) error = failed;
        }
        kept = (size_t)(end - start);
        if (kept == BUFFER_SIZE) {
            /* The kernel prints no line that long. */
            error = EOVERFLOW;
            break;
        }
        for (size_t index = 0; index < kept; index++) search->buffer[index] = start[index];
    }
    close(file);
    return error;
}

/*
 * Whether it is a thread of the kernel, which has neither descriptors nor mappings: PF_KTHREAD of the flags in stat.
 * False when that cannot be read.
 */
static bool is_of_kernel(struct search *search, pid_t process) {
    enum { FLAGS = 9, PF_KTHREAD = 0x00200000 };
    char text[512];
    append(append_number(append(search->path, "/proc/"), (unsigned long)process), "/stat");
    long file = call(SYS_openat, AT_FDCWD, search->path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return false;
    long length = call(SYS_read, file, text, sizeof text - 1);
    close(file);
    if (length <= 0) return false;
    text[length] = 0;
    /* The name, in brackets, may hold brackets and spaces itself; it is the second field. */
    const char *place = strrchr(text, ')');
    for (int field = 2; place != NULL && field < FLAGS; field++) place = strchr(place + 1, ' ');
    return place != NULL && (strtoul(place, NULL, 10) & PF_KTHREAD) != 0;
}

static void look_at(struct search *search, pid_t process) {
    for (size_t device = 0; device < search->device_count; device++) search->held[device] = false;
    append(append_number(append(search->path, "/proc/"), (unsigned long)process), "/fd");
    size_t descriptors = 0;
    int error = as_denial(look_at_descriptors(search, &descriptors));
    if (error == 0 && descriptors == 0) {
        if (is_of_kernel(search, process)) return;
        error = as_denial(look_at_threads(search, process));
    }
    bool is_whole = false;
    for (int look = 0; look < MOST_LOOKS && !is_whole; look++) {
        int failed = as_denial(look_at_maps(search, process, &is_whole));
        if (error == 0) error = failed;
        if (failed != 0) break;
    }
    for (size_t device = 0; device < search->device_count; device++) {
        if (search->held[device]) tell(search, process, 0, (unsigned)device);
    }
    if (error != 0) tell(search, process, error, 0);
}

static void look_at_all(struct region *region) {
    struct search *search = (struct search *)region;
    for (;;) {
        unsigned next = atomic_load(&search->next);
        if (next >= search->process_count) break;
        look_at(search, search->processes[next]);
        atomic_store(&search->next, next + 1);
    }
    atomic_store(&search->is_complete, 1);
    wake_up(&search->is_complete);
}

/* --- This process --- */

static struct search *make_search(const struct clinux_search *wanted, size_t capacity) {
    size_t numbers = wanted->device_count * sizeof(uint64_t);
    size_t found = capacity * sizeof(struct clinux_holding);
    size_t processes = wanted->process_count * sizeof(pid_t);
    struct search *search = make_region(sizeof *search + numbers + found + processes + wanted->device_count);
    if (search == NULL) return NULL;
    char *rest = (char *)(search + 1);
    search->devices = memcpy(rest, wanted->devices, numbers);
    search->found = (struct clinux_holding *)(rest + numbers);
    search->processes = memcpy(rest + numbers + found, wanted->processes, processes);
    search->held = (bool *)(rest + numbers + found + processes);
    search->device_count = wanted->device_count;
    search->process_count = wanted->process_count;
    search->capacity = capacity;
    /* A random seed: nobody can make a file whose hash is that of another one. */
    call(SYS_getrandom, &search->seed, sizeof search->seed, 0);
    return search;
}

/* Leaves a worker that is late. The process that it is looking at gets the error, and is passed over. */
static void pass_over(struct search *search, struct worker *worker, int error) {
    leave_worker(worker);
    unsigned next = atomic_load(&search->next);
    if (next >= search->process_count) return;
    tell(search, search->processes[next], error, 0);
    atomic_store(&search->next, next + 1);
}

/* Waits until all processes were looked at or the deadline has passed. Returns 0, or the errno of starting a worker. */
static int await(struct search *search, const struct clinux_search *wanted) {
    int64_t begun = milliseconds_now();
    int64_t deadline = begun + wanted->deadline;
    struct worker *worker = NULL;
    unsigned at = ~0U;
    for (;;) {
        int64_t time = milliseconds_now();
        unsigned before = at;
        at = atomic_load(&search->next);
        if (at >= search->process_count) {
            if (worker != NULL) await_worker(worker);
            return 0;
        }
        if (at != before) begun = time;
        bool is_over = time >= deadline;
        if (worker != NULL && (is_over || time >= begun + wanted->process_deadline)) {
            pass_over(search, worker, ETIMEDOUT);
            worker = NULL;
        }
        if (is_over) return 0;
        if (worker == NULL) {
            int error = 0;
            worker = start_worker(look_at_all, &search->region, &error);
            if (worker == NULL) return error;
            begun = time;
            continue;
        }
        int64_t end = begun + wanted->process_deadline;
        if (time + TICK < end) end = time + TICK;
        if (deadline < end) end = deadline;
        sleep_on(&search->is_complete, 0, end > time ? end - time : 1);
        if (!tick_once(wanted->tick)) {
            pass_over(search, worker, ECANCELED);
            return 0;
        }
    }
}

int clinux_find_holders(
    const struct clinux_search *wanted, struct clinux_holding *found, size_t capacity, size_t *count) {
    *count = 0;
    if (wanted->process_count == 0) return 0;
    struct search *search = make_search(wanted, capacity);
    if (search == NULL) return ENOMEM;
    int error = await(search, wanted);
    /* Neither this process nor those after it were looked at. */
    unsigned next = atomic_load(&search->next);
    if (error == 0 && next < search->process_count) tell(search, search->processes[next], ETIMEDOUT, 0);
    *count = atomic_load(&search->found_count);
    memcpy(found, search->found, *count * sizeof *found);
    leave_region(&search->region);
    return error;
}
