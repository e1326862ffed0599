/// An owned VFIO descriptor, closed when its owner goes. Closing a device's last descriptor resets the device if it can
/// be reset.
struct OpenNode<Calls: VFIOCalls>: ~Copyable {
    let descriptor: CInt
    private let calls: Calls

    /// Takes ownership of the descriptor.
    init(_ descriptor: CInt, _ calls: Calls) {
        self.descriptor = descriptor
        self.calls = calls
    }

    deinit { calls.close(descriptor) }
}
