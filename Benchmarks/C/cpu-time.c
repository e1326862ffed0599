// Runs commands in turn, for several rounds, and prints the median CPU time of each in microseconds, one per line.
// Usage: cpu-time ROUNDS -- COMMAND ARGUMENT… [-- COMMAND ARGUMENT…]…
// The commands' output is discarded. The program ends when a command fails.
#define _GNU_SOURCE
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { most = 16 };

extern char **environ;

static int ascending(const void *left, const void *right) {
    long long a = *(const long long *)left, b = *(const long long *)right;
    return (a > b) - (a < b);
}

static long long microseconds(struct timeval time) {
    return time.tv_sec * 1000000LL + time.tv_usec;
}

static long long run(char **command, const posix_spawn_file_actions_t *actions) {
    pid_t child;
    int status;
    struct rusage usage;
    int error = posix_spawnp(&child, command[0], actions, NULL, command, environ);
    if (error) {
        fprintf(stderr, "%s: %s\n", command[0], strerror(error));
        exit(1);
    }
    if (wait4(child, &status, 0, &usage) != child) {
        perror("wait4");
        exit(1);
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status)) {
        fprintf(stderr, "%s: failed with wait status 0x%x\n", command[0], status);
        exit(1);
    }
    return microseconds(usage.ru_utime) + microseconds(usage.ru_stime);
}

int main(int argc, char **argv) {
    char **commands[most];
    int count = 0, rounds = argc > 1 ? atoi(argv[1]) : 0;
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--"))
            continue;
        argv[i] = NULL;
        if (count == most || i + 1 == argc)
            return 2;
        commands[count++] = argv + i + 1;
    }
    if (rounds < 1 || !count)
        return 2;

    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    long long *times = calloc((size_t)count * rounds, sizeof *times);
    if (!times)
        return 1;
    for (int command = 0; command < count; command++)
        run(commands[command], &actions);  // Fills the page cache, and is not counted.
    for (int round = 0; round < rounds; round++)
        for (int command = 0; command < count; command++)
            times[command * rounds + round] = run(commands[command], &actions);
    for (int command = 0; command < count; command++) {
        qsort(times + command * rounds, rounds, sizeof *times, ascending);
        printf("%lld\n", times[command * rounds + rounds / 2]);
    }
    return 0;
}
