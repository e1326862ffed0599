internal import SystemPackage

/// A file descriptor that closes itself.
struct OwnedDescriptor: ~Copyable {
    let descriptor: FileDescriptor

    /// Takes the descriptor over.
    init(_ descriptor: FileDescriptor) {
        self.descriptor = descriptor
    }

    deinit {
        // Nothing can be done about a failing close of a device node.
        try? descriptor.close()
    }

    var rawValue: CInt { descriptor.rawValue }
}
