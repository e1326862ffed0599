/* Datagrams to the journal and the service manager: the part that Swift cannot import (the CMSG_* macros, sealing). */
#ifndef CJOURNAL_H
#define CJOURNAL_H

#include <stddef.h>
#include <stdint.h>

/*
 * Opens an AF_UNIX datagram socket. It is not connected, so that it outlives a restart of the receiver.
 * A send waits at most `milliseconds` when the receiver's queue is full.
 * Returns the descriptor, or -errno.
 */
int cjournal_socket(uint32_t milliseconds);

/*
 * Sends one datagram to the socket at `path`; a path that begins with '@' is in the abstract namespace (unix(7)).
 * Returns 0 or -errno: -EMSGSIZE or -ENOBUFS when the datagram is too large, -EAGAIN when the wait is over.
 */
int cjournal_send(int socket, const char *path, const void *bytes, size_t count);

/* Sends an empty datagram with one descriptor (SCM_RIGHTS) to the socket at `path`. Returns 0 or -errno. */
int cjournal_send_descriptor(int socket, const char *path, int descriptor);

/*
 * Makes a file in memory that holds the bytes and is sealed against any change (memfd_create(2), F_ADD_SEALS of
 * fcntl(2)): journald maps only such files. Returns the descriptor, or -errno.
 */
int cjournal_sealed_file(const void *bytes, size_t count);

#endif
