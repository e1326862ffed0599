import Glibc
import Testing

/// A datagram socket of the test's own, in the place of journald's or the service manager's.
final class Listener: Sendable {
    struct Datagram {
        var bytes: [UInt8]
        /// What the file that came with it holds, and its seals (`F_SEAL_*`).
        var file: (bytes: [UInt8], seals: CInt)?

        var text: String { String(decoding: bytes, as: UTF8.self) }
    }

    private let descriptor: CInt

    /// Listens at a path, or at `@` and a name in the abstract namespace.
    init(at path: String) throws {
        descriptor = socket(AF_UNIX, CInt(SOCK_DGRAM.rawValue), 0)
        try #require(descriptor >= 0)
        var limit = timeval(tv_sec: 10, tv_usec: 0)
        unsafe setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        var bytes = Array(path.utf8)
        let isAbstract = bytes.first == UInt8(ascii: "@")
        if isAbstract { bytes[0] = 0 } else { bytes.append(0) }
        try #require(bytes.count <= 108)
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: bytes) }
        let length = socklen_t(2 + bytes.count)
        let result = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe bind(descriptor, $0, length) }
        }
        try #require(result == 0)
    }

    deinit {
        close(descriptor)
    }

    /// Whether a datagram waits.
    var hasDatagram: Bool {
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return unsafe poll(&entry, 1, 0) == 1
    }

    func receive() throws -> Datagram {
        var bytes = [UInt8](repeating: 0, count: 1 << 20)
        var control = [UInt8](repeating: 0, count: 256)
        var controlLength = 0
        let count = unsafe bytes.withUnsafeMutableBytes { buffer in
            unsafe control.withUnsafeMutableBytes { ancillary in
                var piece = unsafe iovec(iov_base: buffer.baseAddress, iov_len: buffer.count)
                return unsafe withUnsafeMutablePointer(to: &piece) { pieces in
                    var message = unsafe msghdr()
                    unsafe message.msg_iov = pieces
                    unsafe message.msg_iovlen = 1
                    unsafe message.msg_control = ancillary.baseAddress
                    unsafe message.msg_controllen = ancillary.count
                    let count = unsafe recvmsg(descriptor, &message, 0)
                    unsafe controlLength = message.msg_controllen
                    return count
                }
            }
        }
        try #require(count >= 0, "nothing came")
        var datagram = Datagram(bytes: Array(bytes[..<count]))
        if controlLength > 0 { datagram.file = try contents(of: control) }
        return datagram
    }

    /// The file whose descriptor stands behind a `cmsghdr`.
    private func contents(of control: [UInt8]) throws -> (bytes: [UInt8], seals: CInt) {
        let file = unsafe control.withUnsafeBytes {
            unsafe $0.loadUnaligned(fromByteOffset: MemoryLayout<cmsghdr>.size, as: CInt.self)
        }
        defer { close(file) }
        let seals = fcntl(file, Self.getSeals)
        var status = stat()
        try #require(unsafe fstat(file, &status) == 0)
        var bytes = [UInt8](repeating: 0, count: Int(status.st_size))
        let count = unsafe bytes.withUnsafeMutableBytes { unsafe pread(file, $0.baseAddress, $0.count, 0) }
        try #require(count == bytes.count)
        return (bytes, seals)
    }

    /// `F_GET_SEALS`, a macro that Swift does not see.
    private static let getSeals: CInt = 1034
}
