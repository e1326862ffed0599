/* The kernel's own uevents. */
#ifndef CLINUX_UEVENTS_H
#define CLINUX_UEVENTS_H

#include <stddef.h>

/* Room for UEVENT_BUFFER_SIZE of the kernel and the datagram's header, in bytes. */
#define CLINUX_UEVENT_SIZE 4096

/* Opens a socket for the kernel's uevents (netlink(7), NETLINK_KOBJECT_UEVENT, group 1). Returns it, or -errno. */
int clinux_uevents_open(void);

/*
 * Takes the next datagram: `ACTION@DEVPATH`, a NUL, and `KEY=VALUE` pairs, each with a NUL at its end
 * (uevent_net_broadcast()).
 *
 * Returns its length; 0 for a datagram that is not the kernel's or is larger than the buffer; -EAGAIN when there is
 * none; -ENOBUFS when the kernel dropped events, as the socket's buffer was full; or another -errno.
 */
long clinux_uevents_take(int descriptor, char *buffer, size_t size);

#endif
