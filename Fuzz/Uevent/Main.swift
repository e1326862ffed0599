internal import Fuzzing
internal import Udev

/// Fuzzes the parser of the kernel's uevents.
@main
enum Main {
    static func main() { Fuzzer.run(attempt) }
}

private func attempt(_ bytes: [UInt8]) -> CInt {
    guard let event = Uevent(bytes) else { return 0 }
    // A uevent that parses stays the same when it is written and parsed again.
    let text = "x@/\0ACTION=\(event.action)\0DEVPATH=/devices/\(event.name)\0SUBSYSTEM=\(event.subsystem)\0"
    precondition(Uevent(Array(text.utf8)) == event)
    precondition(!event.name.isEmpty && !event.name.utf8.contains(UInt8(ascii: "/")))
    return 0
}
