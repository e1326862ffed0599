#define _GNU_SOURCE
#include "cjournal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

/* Fills in the address; returns its length, or -errno. */
static int unix_address(const char *path, struct sockaddr_un *address) {
    size_t length = strlen(path);
    if (length < 2) return -EINVAL;
    /* A path needs its terminating zero; an abstract name has none, and '@' stands for its leading zero. */
    int is_abstract = path[0] == '@';
    if (length + !is_abstract > sizeof(address->sun_path)) return -ENAMETOOLONG;
    memset(address, 0, sizeof(*address));
    address->sun_family = AF_UNIX;
    memcpy(address->sun_path, path, length);
    if (is_abstract) address->sun_path[0] = '\0';
    return (int)(offsetof(struct sockaddr_un, sun_path) + length + !is_abstract);
}

static int send_message(int socket, const char *path, struct msghdr *message) {
    struct sockaddr_un address;
    int length = unix_address(path, &address);
    if (length < 0) return length;
    message->msg_name = &address;
    message->msg_namelen = (socklen_t)length;
    ssize_t sent;
    do {
        sent = sendmsg(socket, message, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    return sent < 0 ? -errno : 0;
}

int cjournal_socket(uint32_t milliseconds) {
    int descriptor = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0) return -errno;
    struct timeval limit = {.tv_sec = milliseconds / 1000, .tv_usec = milliseconds % 1000 * 1000};
    if (setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) < 0) {
        int error = errno;
        close(descriptor);
        return -error;
    }
    return descriptor;
}

int cjournal_send(int socket, const char *path, const void *bytes, size_t count) {
    struct iovec piece = {.iov_base = (void *)bytes, .iov_len = count};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
    return send_message(socket, path, &message);
}

int cjournal_send_descriptor(int socket, const char *path, int descriptor) {
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    memset(&control, 0, sizeof(control));
    struct msghdr message = {.msg_control = control.space, .msg_controllen = sizeof(control.space)};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &descriptor, sizeof(int));
    return send_message(socket, path, &message);
}

int cjournal_sealed_file(const void *bytes, size_t count) {
    int file = memfd_create("apertured-journal", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (file < 0) return -errno;
    const char *next = bytes;
    while (count > 0) {
        ssize_t written = write(file, next, count);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) goto fail;
        next += written;
        count -= (size_t)written;
    }
    if (fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0) goto fail;
    return file;
fail:;
    int error = errno;
    close(file);
    return -error;
}
