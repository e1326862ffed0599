internal import Aperture
internal import CLinux
internal import Glibc
internal import KernelFiles
internal import SystemPackage

/// A read that may hang for ever, because the kernel needs a lock or power for it that a driver can withhold.
enum Question: Hashable {
    /// A device's `driver_override`. The kernel takes the device's lock (`driver_override_show()`). The path is the
    /// attribute's.
    case driverOverride(String)
    /// The number of enabled virtual functions. Since Linux 5.6 the kernel takes the device's lock
    /// (`sriov_numvfs_show()`).
    case virtualFunctions(PCIAddress)
    /// Whether a console driver is bound. The kernel takes the console lock, which all consoles share (`show_bind()` in
    /// drivers/tty/vt/vt.c).
    case console(Int)
    /// Where a framebuffer's memory is. The kernel takes the framebuffer's lock to open its node and for
    /// `FBIOGET_FSCREENINFO` (`fb_open()`, `do_fb_ioctl()`). The path is the node's.
    case framebuffer(String)
    /// The header of a function's configuration space. The kernel first powers up the bridges above the function, and a
    /// function in D3cold itself (`pci_config_pm_runtime_get()`).
    case configuration(PCIAddress)
    /// The sizes that a BAR can have, by its number. The kernel first powers up the function (`resource_resize_show()`).
    case barSizes(PCIAddress, Int)

    /// The question for an attribute's path; `nil` for an attribute that the kernel shows without such a lock.
    init?(attribute path: String) {
        if path.hasSuffix("/driver_override") {
            self = .driverOverride(path)
        } else if let number = KernelPath.console(ofBind: path) {
            self = .console(number)
        } else {
            return nil
        }
    }

    var path: String {
        switch self {
        case .driverOverride(let path), .framebuffer(let path): path
        case .console(let number): KernelPath.consoleBind(number)
        case .configuration(let address): "\(KernelPath.device(address))/config"
        case .virtualFunctions(let address): "\(KernelPath.device(address))/sriov_numvfs"
        case .barSizes(let address, let bar): "\(KernelPath.device(address))/resource\(bar)_resize"
        }
    }

    fileprivate var kind: clinux_kind {
        switch self {
        case .driverOverride, .virtualFunctions, .barSizes: CLINUX_DEVICE_ATTRIBUTE
        case .console: CLINUX_CONSOLE
        case .framebuffer: CLINUX_FRAMEBUFFER
        case .configuration: CLINUX_CONFIGURATION
        }
    }

    fileprivate func hangs(for seconds: Int32) -> String {
        switch self {
        case .driverOverride, .virtualFunctions: Self.lock("device", seconds)
        case .console: Self.lock("console", seconds)
        case .framebuffer: Self.lock("framebuffer", seconds)
        case .configuration, .barSizes:
            "the function has not answered for \(seconds) s: it, or what is above it, does not wake up"
        }
    }

    private static func lock(_ name: String, _ seconds: Int32) -> String {
        "the kernel has held the \(name)'s lock for \(seconds) s: a bind, an unbind or a removal hangs"
    }
}

/// Reads with a deadline, in helper processes that stay behind if they hang.
struct DeadlineReader {
    let tree: FileTree
    /// How long all questions together may take, in milliseconds; `nil` for no deadline, and no helper process.
    let deadline: Int32?
    /// Called several times a second while something hangs; returns false to stop waiting.
    let tick: () -> Bool

    /// Reads the answers to all questions. A read that fails or hangs gives an error for its own question alone.
    func ask(_ questions: [Question]) throws(FileTreeError) -> Answers {
        guard let first = questions.first else { return Answers([:]) }
        let paths = unsafe questions.map { unsafe strdup($0.path) }
        defer { unsafe paths.forEach { unsafe free($0) } }
        var asked = unsafe zip(questions, paths).map { question, path in
            var entry = unsafe clinux_question()
            unsafe entry.kind = question.kind
            unsafe entry.path = unsafe UnsafePointer(path)
            return unsafe entry
        }
        let error = unsafe withTick(tick) {
            unsafe clinux_read_within(deadline ?? -1, tree.enclosure, &asked, asked.count, $0)
        }
        guard error == 0 else { throw FileTreeError(.read, first.path, Errno(rawValue: error)) }
        var answers: [Question: Result<[UInt8], FileTreeError>] = [:]
        for (index, question) in questions.enumerated() {
            let answer = unsafe answer(to: question, asked[index])
            answers[question] = answer
            switch answer {
            case .success(let bytes): tree.log?.note(question.path, .bytes(bytes))
            case .failure(let error): tree.log?.note(question.path, .failed(error))
            }
        }
        return Answers(answers)
    }

    /// An attribute's text; see ``Answers/text(_:)``.
    func text(_ question: Question) throws(FileTreeError) -> String? { try ask([question]).text(question) }

    private func answer(to question: Question, _ entry: clinux_question) -> Result<[UInt8], FileTreeError> {
        let errno = unsafe Errno(rawValue: entry.error)
        guard errno.rawValue == 0 else {
            var error = FileTreeError(.read, question.path, errno)
            if errno == .timedOut { error.detail = question.hangs(for: (deadline ?? 0) / 1000) }
            return .failure(error)
        }
        return .success(unsafe withUnsafeBytes(of: entry.answer) { unsafe Array($0.prefix(entry.size)) })
    }
}

/// The answers to the questions, or the errors.
struct Answers {
    private let answers: [Question: Result<[UInt8], FileTreeError>]

    fileprivate init(_ answers: [Question: Result<[UInt8], FileTreeError>]) {
        self.answers = answers
    }

    /// Whether this question was asked.
    func has(_ question: Question) -> Bool { answers[question] != nil }

    /// An attribute's text; `nil` for an empty one, for `(null)`, which the kernel prints for no override, and for a
    /// question that was not asked.
    /// - Parameter isRequired: Whether a missing file is an error rather than `nil`. Its device is then appearing or
    ///   going.
    func text(_ question: Question, isRequired: Bool = false) throws(FileTreeError) -> String? {
        do throws(FileTreeError) {
            let bytes = try answers[question]?.get() ?? []
            let value = String(decoding: bytes.prefix { $0 != 0 && $0 != 0x0a }, as: UTF8.self)
            return value.isEmpty || value == "(null)" ? nil : value
        } catch {
            guard error.isAbsence, !isRequired else { throw error }
            return nil
        }
    }

    /// Where a framebuffer's memory is; `nil` when the driver does not tell.
    func memory(ofFramebuffer node: String) throws(FileTreeError) -> AddressRange? {
        guard let bytes = try answers[.framebuffer(node)]?.get(), bytes.count >= MemoryLayout<fb_fix_screeninfo>.size
        else { return nil }
        let fixed = unsafe bytes.withUnsafeBytes { unsafe $0.loadUnaligned(as: fb_fix_screeninfo.self) }
        guard fixed.smem_start != 0 else { return nil }
        return AddressRange(start: UInt64(fixed.smem_start), size: UInt64(fixed.smem_len))
    }

    /// The header of a function's configuration space; `nil` when it was not asked for, or could not be read.
    /// - Throws: When the function did not answer in time, or the waiting was stopped.
    func header(of address: PCIAddress) throws(FileTreeError) -> ConfigurationHeader? {
        switch answers[.configuration(address)] {
        case .success(let bytes)?: return ConfigurationHeader(bytes)
        case .failure(let error)? where error.errno == .timedOut || error.errno == .canceled: throw error
        case .failure?, nil: return nil
        }
    }
}

/// Passes a closure to C for the duration of the work; see clinux_tick.h.
func withTick<Outcome>(_ tick: @escaping () -> Bool, _ work: (clinux_tick) -> Outcome) -> Outcome {
    var tick = tick
    return unsafe withUnsafeMutablePointer(to: &tick) { pointer in
        unsafe work(
            clinux_tick(
                function: { context in unsafe context?.assumingMemoryBound(to: (() -> Bool).self).pointee() ?? true },
                context: pointer))
    }
}
