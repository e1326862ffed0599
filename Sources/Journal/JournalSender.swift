internal import SystemPackage

/// Hands entries to journald, in its native protocol.
package struct JournalSender: Sendable {
    /// Where journald listens.
    package static let socketPath = "/run/systemd/journal/socket"

    private let socket: DatagramSocket

    /// - Parameter path: Another socket, for a test.
    package init(path: String = Self.socketPath) throws(JournalError) {
        socket = try DatagramSocket(path: path)
    }

    /// Sends the entry as a datagram; one that does not fit goes as a sealed file in memory.
    ///
    /// What fits depends on `net.core.wmem_default`: the kernel says EMSGSIZE, or ENOBUFS where memory is short.
    /// - Throws: When nobody listens (ENOENT, ECONNREFUSED), or journald takes nothing for a second (EAGAIN).
    package func send(_ entry: JournalEntry) throws(JournalError) {
        let bytes = entry.encoded
        do {
            try socket.send(bytes)
        } catch  where error.errno == .messageTooLong || error.errno == .noBufferSpace {
            try socket.sendAsFile(bytes)
        }
    }
}
