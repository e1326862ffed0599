/*
 * What programs cost in a lab machine.
 *
 * speed time FILE COMMAND ARGUMENT…
 *     Runs the command and appends the microseconds that it took to FILE, one line. Ends with the command's status.
 * speed idle MESSAGES SECONDS COMMAND ARGUMENT…
 *     Runs the command as its service manager would, with a watchdog of so many SECONDS. Waits until it is ready and idle,
 *     and then for so many messages to the watchdog. Prints a line: the command's VmRSS and RssAnon in KiB, how often it
 *     woke up meanwhile, and the messages. Ends it with SIGTERM.
 *
 * The command's output is appended to /run/said.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char *const socket_path = "/run/speed.notify";

/* How long a message may take, in seconds: a claim comes first. */
enum { PATIENCE = 100 };

static long long microseconds(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000LL + time.tv_nsec / 1000;
}

static pid_t start(char **command) {
    pid_t process = fork();
    if (process != 0) return process;
    int said = open("/run/said", O_WRONLY | O_CREAT | O_APPEND, 0644);
    dup2(said, STDOUT_FILENO);
    dup2(said, STDERR_FILENO);
    execvp(command[0], command);
    perror(command[0]);
    _exit(127);
}

static int end_of(pid_t process) {
    int status;
    if (waitpid(process, &status, 0) != process) return 1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int time_of(const char *path, char **command) {
    long long begun = microseconds();
    pid_t process = start(command);
    if (process < 0) return 1;
    int status = end_of(process);
    long long took = microseconds() - begun;
    FILE *file = fopen(path, "a");
    if (file == NULL) return 1;
    fprintf(file, "%lld\n", took);
    fclose(file);
    return status;
}

/* The number behind the name in a file like /proc/PID/status, or -1. */
static long number_in(const char *path, const char *name) {
    char line[256];
    long number = -1;
    FILE *file = fopen(path, "r");
    if (file == NULL) return -1;
    while (fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, name, strlen(name)) == 0) number = atol(line + strlen(name));
    }
    fclose(file);
    return number;
}

/* How often the process's threads have gone to sleep, and so woken up. */
static long sleeps_of(pid_t process) {
    char folder[64], path[512];
    long sum = 0;
    snprintf(folder, sizeof folder, "/proc/%d/task", process);
    DIR *threads = opendir(folder);
    if (threads == NULL) return -1;
    for (struct dirent *entry; (entry = readdir(threads)) != NULL;) {
        if (entry->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "%s/%s/status", folder, entry->d_name);
        sum += number_in(path, "voluntary_ctxt_switches:");
    }
    closedir(threads);
    return sum;
}

/* Waits for a message that holds the word. Returns whether it came. */
static int await(int socket, const char *word) {
    char text[8192];
    for (;;) {
        ssize_t length = recv(socket, text, sizeof text - 1, 0);
        if (length < 0) return 0;
        text[length] = 0;
        if (strstr(text, word) != NULL) return 1;
    }
}

static int measure(pid_t process, int socket, int messages) {
    if (!await(socket, "READY=1")) return 1;
    /* What the claim itself has set off is over after two messages. */
    for (int message = 0; message < 2; message++) {
        if (!await(socket, "WATCHDOG=1")) return 1;
    }
    /* The message was sent before the sleep: let it fall asleep. */
    usleep(200000);
    long before = sleeps_of(process);
    for (int message = 0; message < messages; message++) {
        if (!await(socket, "WATCHDOG=1")) return 1;
    }
    usleep(200000);
    long after = sleeps_of(process);
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/status", process);
    long resident = number_in(path, "VmRSS:"), own = number_in(path, "RssAnon:");
    if (before < 0 || after < 0 || resident < 0 || own < 0) return 1;
    printf("%ld %ld %ld %d\n", resident, own, after - before, messages);
    return 0;
}

static int idle(int messages, int seconds, char **command) {
    int receiver = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval patience = {.tv_sec = PATIENCE};
    strcpy(address.sun_path, socket_path);
    unlink(socket_path);
    if (receiver < 0 || bind(receiver, (struct sockaddr *)&address, sizeof address) != 0) {
        perror(socket_path);
        return 1;
    }
    setsockopt(receiver, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    char watchdog[32];
    snprintf(watchdog, sizeof watchdog, "%d", seconds * 1000000);
    setenv("NOTIFY_SOCKET", socket_path, 1);
    setenv("WATCHDOG_USEC", watchdog, 1);
    pid_t process = start(command);
    if (process < 0) return 1;
    int failed = measure(process, receiver, messages);
    if (failed) fprintf(stderr, "%s sent no message for %d seconds, or has ended\n", command[0], PATIENCE);
    kill(process, SIGTERM);
    int status = end_of(process);
    if (status != 0) fprintf(stderr, "%s ended with status %d\n", command[0], status);
    return failed || status != 0;
}

int main(int argc, char **argv) {
    if (argc > 3 && strcmp(argv[1], "time") == 0) return time_of(argv[2], argv + 3);
    if (argc > 4 && strcmp(argv[1], "idle") == 0) return idle(atoi(argv[2]), atoi(argv[3]), argv + 4);
    return 2;
}
