internal import Aperture
internal import CFuzzer

/// Fuzzes `boot_params`.
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
    guard let info = ScreenInfo(bootParameters: bytes) else { return 0 }
    precondition(info.framebuffer.map { $0.start <= $0.last } ?? true)
    return 0
}
