/// A descriptor of VFIO that closes itself. The close of a device's last one resets it where it can be reset.
struct OpenNode<Calls: VFIOCalls>: ~Copyable {
    let descriptor: CInt
    private let calls: Calls

    /// Takes the descriptor over.
    init(_ descriptor: CInt, _ calls: Calls) {
        self.descriptor = descriptor
        self.calls = calls
    }

    deinit { calls.close(descriptor) }
}
