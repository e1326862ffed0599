internal import CLinux
internal import Glibc
internal import SystemPackage

/// A signalfd(2) for some of the process's signals.
struct SignalDescriptor: ~Copyable {
    let descriptor: CInt

    /// Blocks the signals and opens the descriptor.
    init(_ signals: [CInt]) throws(Errno) {
        descriptor = try Self.open(signals)
    }

    deinit {
        // Nothing was written through it, so a failing close loses nothing.
        _ = close(descriptor)
    }

    private static func open(_ signals: [CInt]) throws(Errno) -> CInt {
        let descriptor = unsafe clinux_signals_open(signals, CInt(signals.count))
        guard descriptor >= 0 else { throw Errno(rawValue: -descriptor) }
        return descriptor
    }

    /// The next pending signal; `nil` when there is none.
    func take() -> CInt? {
        let signal = clinux_signals_take(descriptor)
        return signal == 0 ? nil : signal
    }
}
