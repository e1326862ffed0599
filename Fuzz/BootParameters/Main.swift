internal import Aperture
internal import Fuzzing

/// Fuzzes the parser of `boot_params`.
@main
enum Main {
    static func main() { Fuzzer.run(attempt) }
}

private func attempt(_ bytes: [UInt8]) -> CInt {
    guard let info = ScreenInfo(bootParameters: bytes) else { return 0 }
    precondition(info.framebuffer.map { $0.start <= $0.last } ?? true)
    return 0
}
