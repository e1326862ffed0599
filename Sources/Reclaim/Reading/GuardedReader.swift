internal import Aperture
internal import CLinux
internal import Glibc
internal import Sysfs
internal import SystemPackage

/// Asks the kernel what it only tells under a lock that a driver can hold for ever: while a bind or an unbind hangs, so
/// does whoever asks. It is asked in a process that may be left behind.
struct GuardedReader {
    /// Which lock is waited for.
    enum Lock: String {
        /// The device's own, for its `driver_override` (`driver_override_show()`).
        case device
        /// The one that all consoles share, for their `bind` (`show_bind()` in drivers/tty/vt/vt.c).
        case console
        /// The framebuffer's own, for opening its node and for `FBIOGET_FSCREENINFO` (`fb_open()`, `do_fb_ioctl()`).
        case framebuffer

        /// The lock that the kernel shows an attribute under; `nil` for one that it shows without any.
        init?(attribute path: String) {
            if path.hasSuffix("/driver_override") {
                self = .device
            } else if path.hasPrefix("\(KernelPath.consoles)/"), path.hasSuffix("/bind") {
                self = .console
            } else {
                return nil
            }
        }

        fileprivate var kind: clinux_kind {
            switch self {
            case .device: CLINUX_OVERRIDE
            case .console: CLINUX_CONSOLE
            case .framebuffer: CLINUX_FRAMEBUFFER
            }
        }
    }

    let tree: FileTree
    /// How long one file may take, in milliseconds.
    let deadline: Int32

    /// Far longer than a driver's probe takes, which holds the device's lock as well.
    static let patience: Int32 = 10_000

    /// Each attribute's text, in the order of the paths; `nil` for a file that is not there and for `(null)`, which is how
    /// the kernel prints no override.
    /// - Parameter isRequired: Whether a file that is not there is a failure: its device has just appeared, or is going.
    func texts(
        _ paths: [String], under lock: Lock, isRequired: Bool = false
    ) throws(FileTreeError) -> [Result<String?, FileTreeError>] {
        try answers(paths, under: lock).map { answer in
            answer.map { bytes in
                let text = bytes.prefix { $0 != 0 && $0 != 0x0a }.map(UInt8.init(bitPattern:))
                let value = String(decoding: text, as: UTF8.self)
                return value.isEmpty || value == "(null)" ? nil : value
            }.flatMapError { $0.isAbsence && !isRequired ? .success(nil) : .failure($0) }
        }
    }

    func text(_ path: String, under lock: Lock) throws(FileTreeError) -> String? {
        guard let only = try texts([path], under: lock).first else { return nil }
        return try only.get()
    }

    /// Where each framebuffer's memory is, in the order of the nodes; `nil` where none is told.
    func memory(of nodes: [String]) throws(FileTreeError) -> [Result<AddressRange?, FileTreeError>] {
        try answers(nodes, under: .framebuffer).map { answer in
            answer.map { bytes in
                let fixed = unsafe bytes.withUnsafeBytes { unsafe $0.loadUnaligned(as: fb_fix_screeninfo.self) }
                guard fixed.smem_start != 0 else { return nil }
                return AddressRange(start: UInt64(fixed.smem_start), size: UInt64(fixed.smem_len))
            }
        }
    }

    private func answers(
        _ paths: [String], under lock: Lock
    ) throws(FileTreeError) -> [Result<ArraySlice<CChar>, FileTreeError>] {
        guard let first = paths.first else { return [] }
        let names = unsafe paths.map { unsafe UnsafePointer(strdup($0)) }
        defer { unsafe names.forEach { unsafe free(UnsafeMutablePointer(mutating: $0)) } }
        let size = Int(CLINUX_READ_SIZE)
        var errors = [CInt](repeating: 0, count: paths.count)
        var answers = [CChar](repeating: 0, count: paths.count * size)
        let error = unsafe clinux_read_guarded(
            lock.kind, tree.enclosure, names, names.count, deadline, &errors, &answers)
        guard error == 0 else { throw FileTreeError(.read, first, Errno(rawValue: error)) }
        return paths.indices.map { index in
            guard errors[index] == 0 else {
                return .failure(failure(paths[index], Errno(rawValue: errors[index]), lock))
            }
            return .success(answers[index * size..<(index + 1) * size])
        }
    }

    private func failure(_ path: String, _ errno: Errno, _ lock: Lock) -> FileTreeError {
        var error = FileTreeError(.read, path, errno)
        if errno == .timedOut {
            error.detail =
                "the kernel has held the \(lock.rawValue)'s lock for \(deadline / 1000) s: a bind, an unbind or a removal hangs"
        }
        return error
    }
}
