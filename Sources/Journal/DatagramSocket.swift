internal import CJournal
internal import SystemPackage

/// A socket that sends datagrams to one path, and closes with its last owner.
///
/// It is not connected: whoever listens at the path may go and come back.
final class DatagramSocket: Sendable {
    /// Where it sends: an absolute path, or `@` and a name in the abstract namespace.
    let path: String
    private let descriptor: FileDescriptor

    /// How long a full queue is waited for, in milliseconds: a stuck receiver must not stop a claim between two writes.
    private static let patience: UInt32 = 1000

    init(path: String) throws(JournalError) {
        self.path = path
        let result = cjournal_socket(Self.patience)
        guard result >= 0 else { throw JournalError(.openSocket, path, Errno(rawValue: -result)) }
        descriptor = FileDescriptor(rawValue: result)
    }

    deinit {
        // A datagram socket has nothing left to lose when its close fails.
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
        // The receiver has its own descriptor by now, or the send's error is the one that counts.
        try? FileDescriptor(rawValue: made).close()
        guard result == 0 else { throw JournalError(.send, path, Errno(rawValue: -result)) }
    }
}
