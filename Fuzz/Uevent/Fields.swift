internal import Udev

/// The fields of one of the kernel's datagrams as libudev finds them: `action@devpath` says nothing that the variables
/// after it do not, and of a variable that stands twice the last counts.
struct Fields {
    private(set) var action: [UInt8]?
    private(set) var subsystem: [UInt8]?
    /// The last part of the path, where an exclamation mark stands for a slash.
    private(set) var name: [UInt8]?

    init(_ fields: [[UInt8]]) {
        for field in fields.dropFirst() {
            let parts = field.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2 else { continue }
            let value = Array(parts[1])
            switch String(decoding: parts[0], as: UTF8.self) {
            case "ACTION": action = value
            case "SUBSYSTEM": subsystem = value
            case "DEVPATH":
                name = value.split(separator: UInt8(ascii: "/")).last.map { part in
                    part.map { $0 == UInt8(ascii: "!") ? UInt8(ascii: "/") : $0 }
                }
            default: break
            }
        }
    }

    /// The event as the guard's monitor makes it, from C strings.
    var event: Uevent {
        unsafe withCString(action) { action in
            unsafe withCString(subsystem) { subsystem in
                unsafe withCString(name) { name in unsafe Uevent(action: action, subsystem: subsystem, name: name) }
            }
        }
    }

    /// - Parameter body: Gets a null pointer for a field that is not there.
    private func withCString<Result>(_ bytes: [UInt8]?, _ body: (UnsafePointer<CChar>?) -> Result) -> Result {
        guard let bytes else { return body(nil) }
        return unsafe (bytes + [0]).withUnsafeBytes { unsafe body($0.bindMemory(to: CChar.self).baseAddress) }
    }
}
