internal import CFuzzer
internal import Udev

/// Fuzzes the fields of a uevent as libudev gives them.
///
/// The input's first byte says which of the three there are, a bit for each; their texts follow, each ended by a NUL.
@main
enum Main {
    static func main() {
        var count = CommandLine.argc
        var arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = unsafe CommandLine.unsafeArgv
        unsafe exit(
            LLVMFuzzerRunDriver(&count, &arguments) { start, size in
                attempt(unsafe Array(UnsafeBufferPointer(start: start, count: size)))
            })
    }
}

private func attempt(_ bytes: [UInt8]) -> CInt {
    guard let present = bytes.first else { return 0 }
    let texts = bytes.dropFirst().split(separator: 0, maxSplits: 3, omittingEmptySubsequences: false).prefix(3)
    let fields = (0..<3).map { index -> ArraySlice<UInt8>? in
        guard present & 1 << index != 0 else { return nil }
        return index < texts.count ? texts[index] : []
    }
    // Compared as bytes, so that nothing that only looks the same to Unicode counts.
    let event = event(fields)
    let found = [event.action, event.subsystem, event.name].map { Array($0.utf8) }
    precondition(found == fields.map { repaired($0 ?? []) })
    return 0
}

/// The event as the guard's monitor makes it, of C strings that are gone afterwards.
///
/// They lie one behind the other: whoever reads past the end of one finds the next, or at last AddressSanitizer.
private func event(_ fields: [ArraySlice<UInt8>?]) -> Uevent {
    let memory = UnsafeMutableBufferPointer<CChar>.allocate(
        capacity: fields.reduce(0) { $0 + ($1.map { $0.count + 1 } ?? 0) })
    defer { unsafe memory.deallocate() }
    var end = 0
    let strings = unsafe fields.map { field -> UnsafePointer<CChar>? in
        guard let field else { return nil }
        let start = end
        for byte in field + [0] {
            unsafe memory.initializeElement(at: end, to: CChar(bitPattern: byte))
            end += 1
        }
        return unsafe memory.baseAddress.map { unsafe UnsafePointer($0 + start) }
    }
    return unsafe Uevent(action: strings[0], subsystem: strings[1], name: strings[2])
}
