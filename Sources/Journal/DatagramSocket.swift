internal import CJournal
internal import SystemPackage

/// A socket that sends datagrams to one path. It is closed when its last owner goes.
///
/// The socket is not connected, so the listener at the path may restart.
final class DatagramSocket: Sendable {
    /// The destination: an absolute path, or `@` and a name in the abstract namespace.
    let path: String
    private let descriptor: FileDescriptor

    /// How long a send waits while the receiver's queue is full, in milliseconds. A stuck receiver must not stop a
    /// claim.
    private static let timeout: UInt32 = 1000

    init(path: String) throws(JournalError) {
        self.path = path
        let result = cjournal_socket(Self.timeout)
        guard result >= 0 else { throw JournalError(.openSocket, path, Errno(rawValue: -result)) }
        descriptor = FileDescriptor(rawValue: result)
    }

    deinit {
        // A failing close of a datagram socket loses nothing.
        try? descriptor.close()
    }

    /// Sends one datagram.
    /// - Throws: EMSGSIZE or ENOBUFS when it does not fit; EAGAIN when the receiver takes nothing for a second.
    func send(_ bytes: [UInt8]) throws(JournalError) {
        let result = unsafe bytes.withUnsafeBytes { buffer in
            unsafe cjournal_send(descriptor.rawValue, path, buffer.baseAddress, buffer.count)
        }
        guard result == 0 else { throw JournalError(.send, path, Errno(rawValue: -result)) }
    }

    /// Sends the bytes in a sealed file in memory: an empty datagram with its descriptor.
    func sendAsFile(_ bytes: [UInt8]) throws(JournalError) {
        let made = unsafe bytes.withUnsafeBytes { buffer in
            unsafe cjournal_sealed_file(buffer.baseAddress, buffer.count)
        }
        guard made >= 0 else { throw JournalError(.makeFile, path, Errno(rawValue: -made)) }
        let result = unsafe cjournal_send_descriptor(descriptor.rawValue, path, made)
        // The receiver has its own descriptor by now, or the send's error is reported below.
        try? FileDescriptor(rawValue: made).close()
        guard result == 0 else { throw JournalError(.send, path, Errno(rawValue: -result)) }
    }
}

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
