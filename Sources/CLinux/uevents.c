#define _GNU_SOURCE
#include "clinux_uevents.h"

#include <errno.h>
#include <linux/netlink.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/* The kernel's multicast group; udevd's is 2. */
enum { KERNEL_GROUP = 1 };

/* The most that may be asked for without CAP_NET_ADMIN: a burst of events must wait there while a look goes on. */
enum { BUFFER_SIZE = 1 << 20 };

int clinux_uevents_open(void) {
    int descriptor = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);
    if (descriptor < 0) return -errno;
    int size = BUFFER_SIZE;
    /* A smaller buffer is enough too: the kernel tells when events did not fit (ENOBUFS). */
    (void)setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = KERNEL_GROUP};
    if (bind(descriptor, (struct sockaddr *)&address, sizeof address) == 0) return descriptor;
    int error = errno;
    close(descriptor);
    return -error;
}

long clinux_uevents_take(int descriptor, char *buffer, size_t size) {
    struct sockaddr_nl sender = {0};
    struct iovec piece = {.iov_base = buffer, .iov_len = size};
    struct msghdr message = {
        .msg_name = &sender, .msg_namelen = sizeof sender, .msg_iov = &piece, .msg_iovlen = 1};
    ssize_t length;
    do {
        length = recvmsg(descriptor, &message, MSG_DONTWAIT);
    } while (length < 0 && errno == EINTR);
    if (length < 0) return -errno;
    /* Only the kernel sends from port 0. A test's socket is not a netlink socket, and has no ports. */
    bool is_netlink = message.msg_namelen == sizeof sender && sender.nl_family == AF_NETLINK;
    if (is_netlink && sender.nl_pid != 0) return 0;
    return (message.msg_flags & MSG_TRUNC) != 0 ? 0 : length;
}
