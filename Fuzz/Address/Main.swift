internal import Aperture
internal import CFuzzer

/// Fuzzes the GPU argument, and the instance name of a unit.
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
    let text = String(decoding: bytes, as: UTF8.self)
    guard let address = PCIAddress(text) else { return 0 }
    precondition(PCIAddress(address.description) == address)
    return 0
}
