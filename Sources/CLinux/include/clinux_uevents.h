/* The kernel's own uevents. */
#ifndef CLINUX_UEVENTS_H
#define CLINUX_UEVENTS_H

#include <stddef.h>

/* UEVENT_BUFFER_SIZE of the kernel, and its header. */
#define CLINUX_UEVENT_SIZE 4096

/* Listens to the kernel's uevents from now on (netlink(7), NETLINK_KOBJECT_UEVENT, group 1). Returns it, or -errno. */
int clinux_uevents_open(void);

/*
 * Takes the next datagram: `ACTION@DEVPATH`, a NUL, and `KEY=VALUE` with a NUL behind each (uevent_net_broadcast()).
 *
 * Returns its length; 0 for one that is not the kernel's, or is larger than the buffer; -EAGAIN when there is none, -ENOBUFS
 * when the kernel had more than the socket could hold, or another -errno.
 */
long clinux_uevents_take(int descriptor, char *buffer, size_t size);

#endif
