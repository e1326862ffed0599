/* Datagrams to the journal and the service manager: what Swift cannot import of it (the CMSG_* macros, sealing). */
#ifndef CJOURNAL_H
#define CJOURNAL_H

#include <stddef.h>
#include <stdint.h>

/*
 * An AF_UNIX datagram socket, unconnected, so that it outlives a restart of the other side.
 * A send that finds the receiver's queue full waits for this many milliseconds at the most.
 * Returns the descriptor, or -errno.
 */
int cjournal_socket(uint32_t milliseconds);

/*
 * Sends one datagram to the socket at `path`; a path that begins with '@' is in the abstract namespace (unix(7)).
 * Returns 0 or -errno: EMSGSIZE or ENOBUFS when it does not fit, EAGAIN when the time is over.
 */
int cjournal_send(int socket, const char *path, const void *bytes, size_t count);

/* Sends an empty datagram with this one descriptor (SCM_RIGHTS) to the socket at `path`. Returns 0 or -errno. */
int cjournal_send_descriptor(int socket, const char *path, int descriptor);

/*
 * A file in memory that holds the bytes and is sealed against any change (memfd_create(2), F_ADD_SEALS of fcntl(2)):
 * journald maps nothing else. Returns the descriptor, or -errno.
 */
int cjournal_sealed_file(const void *bytes, size_t count);

#endif
