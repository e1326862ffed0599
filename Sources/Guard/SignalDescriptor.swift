internal import CLinux
internal import Glibc
internal import SystemPackage

/// The process's signals as something to poll.
struct SignalDescriptor: ~Copyable {
    let descriptor: CInt

    /// Blocks the signals and opens the descriptor.
    init(_ signals: [CInt]) throws(Errno) {
        descriptor = try Self.open(signals)
    }

    deinit {
        // Nothing was written through it.
        _ = close(descriptor)
    }

    private static func open(_ signals: [CInt]) throws(Errno) -> CInt {
        let descriptor = unsafe clinux_signals_open(signals, CInt(signals.count))
        guard descriptor >= 0 else { throw Errno(rawValue: -descriptor) }
        return descriptor
    }

    /// The next signal that has come; `nil` when there is none.
    func take() -> CInt? {
        let signal = clinux_signals_take(descriptor)
        return signal == 0 ? nil : signal
    }
}
