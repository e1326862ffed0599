// Parses a file in the form of /proc/iomem as C programs do, with getline and sscanf, from memory.
// Usage: iomem-sscanf FILE ROUNDS. Prints the CPU time in nanoseconds and the number of entries of each round, one
// round per line.
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct entry {
    unsigned long long start, last;
    char *name;
};

static long long now(void) {
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static size_t parse(FILE *file, struct entry **entries) {
    size_t count = 0, capacity = 0;
    char *line = NULL, name[256];
    size_t size = 0;
    *entries = NULL;
    while (getline(&line, &size, file) > 0) {
        unsigned long long start, last;
        if (sscanf(line, "%llx-%llx : %255[^\n]", &start, &last, name) != 3) {
            fprintf(stderr, "cannot read: %s", line);
            exit(1);
        }
        if (count == capacity) {
            capacity = capacity ? capacity * 2 : 256;
            *entries = realloc(*entries, capacity * sizeof **entries);
            if (!*entries)
                exit(1);
        }
        (*entries)[count++] = (struct entry){start, last, strdup(name)};
    }
    free(line);
    return count;
}

int main(int argc, char **argv) {
    static char text[64 << 20];
    if (argc != 3)
        return 2;
    FILE *file = fopen(argv[1], "r");
    if (!file) {
        perror(argv[1]);
        return 1;
    }
    size_t length = fread(text, 1, sizeof text, file);
    fclose(file);
    for (int rounds = atoi(argv[2]); rounds > 0; rounds--) {
        struct entry *entries;
        FILE *memory = fmemopen(text, length, "r");
        if (!memory)
            return 1;
        long long begin = now();
        size_t count = parse(memory, &entries);
        printf("%lld %zu\n", now() - begin, count);
        fclose(memory);
        for (size_t i = 0; i < count; i++)
            free(entries[i].name);
        free(entries);
    }
    return 0;
}
