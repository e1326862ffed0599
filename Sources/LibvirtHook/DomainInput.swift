internal import Glibc

/// Reads a domain's XML from a descriptor, with a limit and a deadline.
package enum DomainInput {
    /// libvirt has the document ready when it starts the hook. In milliseconds, for each piece.
    private static let patience: Int32 = 10_000

    /// The whole document.
    /// - Throws: For one that is longer than ``DomainParser/largest``, that does not come, or that cannot be read.
    package static func read(_ descriptor: CInt) throws(DomainError) -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count <= DomainParser.largest {
            var wait = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            let ready = unsafe poll(&wait, 1, patience)
            if ready < 0, errno == EINTR { continue }
            guard ready != 0 else { throw DomainError("it does not come: libvirt writes it to the standard input") }
            var failure: CInt = 0
            let piece = unsafe [UInt8](unsafeUninitializedCapacity: 65_536) { buffer, count in
                let got = unsafe Glibc.read(descriptor, buffer.baseAddress, buffer.count)
                if got < 0 { failure = errno }
                count = max(0, got)
            }
            if failure == EINTR { continue }
            guard failure == 0 else { throw DomainError("it cannot be read: errno \(failure)") }
            if piece.isEmpty { return bytes }
            bytes += piece
        }
        throw DomainError("it is longer than \(DomainParser.largest >> 20) MiB")
    }
}
