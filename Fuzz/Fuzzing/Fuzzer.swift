internal import CFuzzer

/// Wraps libFuzzer's driver, which takes a C function.
package enum Fuzzer {
    /// The closure of ``run(_:)``, set before the first input. The driver has one thread.
    nonisolated(unsafe) private static var attempt: ([UInt8]) -> CInt = { _ in 0 }

    /// Runs the driver on this program's arguments, and ends the program.
    /// - Parameter attempt: Tries one input, and returns 0.
    package static func run(_ attempt: @escaping ([UInt8]) -> CInt) -> Never {
        unsafe Self.attempt = attempt
        var count = CommandLine.argc
        var arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = unsafe CommandLine.unsafeArgv
        unsafe exit(
            LLVMFuzzerRunDriver(&count, &arguments) { start, size in
                unsafe Fuzzer.attempt(Array(UnsafeBufferPointer(start: start, count: size)))
            })
    }
}
