#include "clinux_signals.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

static bool is_ignored(int signal) {
    struct sigaction action;
    return sigaction(signal, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

void clinux_reset_inherited(void) {
    const int needed[] = {SIGCHLD, SIGPIPE, SIGTERM, SIGXFSZ};
    for (size_t index = 0; index < sizeof needed / sizeof *needed; index++) {
        /* Handlers do not survive execve(2): one that is set now is this process's own, such as a sanitizer's. */
        if (is_ignored(needed[index])) signal(needed[index], SIG_DFL);
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    for (int number = STDIN_FILENO; number <= STDERR_FILENO; number++) {
        /* open(2) takes the lowest free number, which is this one. */
        if (fcntl(number, F_GETFD) < 0) (void)open("/dev/null", number == STDIN_FILENO ? O_WRONLY : O_RDONLY);
    }
}

void clinux_hold_interruptions(void) {
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    const int signals[] = {SIGHUP, SIGINT, SIGTERM};
    sigset_t set;
    sigemptyset(&set);
    for (size_t index = 0; index < sizeof signals / sizeof *signals; index++) {
        /* A blocked signal becomes pending even when it is ignored. */
        if (!is_ignored(signals[index])) sigaddset(&set, signals[index]);
    }
    sigprocmask(SIG_BLOCK, &set, NULL);
}

int clinux_pending_signal(const int *signals, int count) {
    sigset_t set;
    if (sigpending(&set) < 0) return 0;
    for (int index = 0; index < count; index++) {
        if (sigismember(&set, signals[index]) == 1) return signals[index];
    }
    return 0;
}

int clinux_signals_open(const int *signals, int count) {
    sigset_t set;
    sigemptyset(&set);
    for (int i = 0; i < count; i++) {
        sigaddset(&set, signals[i]);
        /* An ignored signal would not become pending. */
        if (is_ignored(signals[i])) signal(signals[i], SIG_DFL);
    }
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0) return -errno;
    int descriptor = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return descriptor < 0 ? -errno : descriptor;
}

int clinux_signals_take(int descriptor) {
    struct signalfd_siginfo info;
    return read(descriptor, &info, sizeof(info)) == sizeof(info) ? (int)info.ssi_signo : 0;
}

int clinux_event_open(void) {
    int descriptor = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return descriptor < 0 ? -errno : descriptor;
}
