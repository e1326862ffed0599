// Runs a command beside many sleeping processes, each with as many open descriptors, and ends those afterwards.
// Usage: among-processes PROCESSES DESCRIPTORS NODE COMMAND ARGUMENT…
// The last of the processes has NODE among its descriptors.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t *processes;
static int started;

static void end_all(void) {
    for (int i = 0; i < started; i++)
        kill(processes[i], SIGKILL);
    for (int i = 0; i < started; i++)
        waitpid(processes[i], NULL, 0);
}

static void fail(const char *what) {
    perror(what);
    end_all();
    exit(1);
}

// The process itself: opens its files, says so by closing its end of the pipe, and sleeps until it is killed.
static void sleep_with(int descriptors, const char *node, int pipe_end) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    // Standard input, output and error, and the pipe, which gives its place to the node or to one more file.
    for (int opened = 4; opened < descriptors; opened++)
        if (open("/proc/self/exe", O_RDONLY) < 0)
            _exit(1);
    int last = node ? open(node, O_RDONLY) : open("/proc/self/exe", O_RDONLY);
    if (last < 0)
        _exit(1);
    if (write(pipe_end, "", 1) != 1)
        _exit(1);
    close(pipe_end);
    for (;;)
        pause();
}

int main(int argc, char **argv) {
    if (argc < 5)
        return 2;
    int count = atoi(argv[1]), descriptors = atoi(argv[2]), ready[2];
    if (count < 1 || descriptors < 4 || !(processes = calloc(count, sizeof *processes)))
        return 2;
    // Whatever was open by chance here would be one descriptor more of each process.
    close_range(3, ~0U, 0);
    if (pipe(ready))
        fail("pipe");
    for (; started < count; started++) {
        pid_t process = fork();
        if (process < 0)
            fail("fork");
        if (process == 0) {
            close(ready[0]);
            sleep_with(descriptors, started == count - 1 ? argv[3] : NULL, ready[1]);
        }
        processes[started] = process;
    }
    close(ready[1]);
    int answered = 0;
    char answer[4096];
    for (ssize_t length; (length = read(ready[0], answer, sizeof answer)) > 0;)
        answered += (int)length;
    if (answered != count) {
        fprintf(stderr, "%d of %d processes have opened their files\n", answered, count);
        end_all();
        return 1;
    }
    pid_t command = fork();
    if (command < 0)
        fail("fork");
    if (command == 0) {
        execvp(argv[4], argv + 4);
        perror(argv[4]);
        _exit(127);
    }
    int status;
    while (waitpid(command, &status, 0) < 0)
        if (errno != EINTR)
            fail("waitpid");
    end_all();
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
