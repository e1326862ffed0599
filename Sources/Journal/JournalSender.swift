internal import SystemPackage

/// Sends entries to journald in its native protocol.
package struct JournalSender: Sendable {
    /// The path of journald's socket.
    package static let socketPath = "/run/systemd/journal/socket"

    private let socket: DatagramSocket

    /// - Parameter path: The socket; a test passes its own.
    /// - Throws: When no socket can be opened. Whether journald listens shows at the first ``send(_:)``.
    package init(path: String = Self.socketPath) throws(JournalError) {
        socket = try DatagramSocket(path: path)
    }

    /// Sends the entry as a datagram, or in a sealed memory file when it does not fit into one.
    ///
    /// The limit depends on `net.core.wmem_default`: the kernel answers EMSGSIZE, or ENOBUFS when memory is short.
    /// - Throws: When nobody listens (ENOENT, ECONNREFUSED), or journald's queue is full for a second (EAGAIN).
    package func send(_ entry: JournalEntry) throws(JournalError) {
        let bytes = entry.encoded
        do {
            try socket.send(bytes)
        } catch  where error.errno == .messageTooLong || error.errno == .noBufferSpace {
            try socket.sendAsFile(bytes)
        }
    }
}
