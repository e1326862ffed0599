internal import Aperture
internal import Fuzzing

/// Fuzzes the parser of PCI addresses: the GPU argument and the instance name of a unit.
@main
enum Main {
    static func main() { Fuzzer.run(attempt) }
}

private func attempt(_ bytes: [UInt8]) -> CInt {
    let text = String(decoding: bytes, as: UTF8.self)
    guard let address = PCIAddress(text) else { return 0 }
    precondition(PCIAddress(address.description) == address)
    return 0
}
