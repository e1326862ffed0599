internal import Aperture
internal import CFuzzer
internal import Guard
internal import Udev

/// Fuzzes what the guard makes of uevents that came together.
///
/// The input holds the kernel's datagrams one after the other, each ended by an empty field; `lost` stands for ENOBUFS.
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

private let card = "0000:01:00.0"

private func attempt(_ bytes: [UInt8]) -> CInt {
    guard let address = PCIAddress(card) else { preconditionFailure("\(card) is an address") }
    var digest = UeventDigest(of: address)
    precondition(digest.occasion == nil)
    var (isRemoved, areLost) = (false, false)
    for datagram in datagrams(bytes) {
        if datagram == [Array("lost".utf8)] {
            digest.noteLoss()
            areLost = true
        } else {
            let fields = Fields(datagram)
            digest.note(fields.event)
            // Compared as bytes, so that nothing that only looks the same to Unicode counts.
            isRemoved =
                isRemoved
                || fields.action == Array("remove".utf8) && fields.subsystem == Array("pci".utf8)
                    && fields.name == Array(card.utf8)
        }
        precondition(digest.occasion == (isRemoved ? .removed : .change(areEventsLost: areLost)))
    }
    return 0
}

/// Each datagram's fields, without the NUL that ends each.
private func datagrams(_ bytes: [UInt8]) -> [[[UInt8]]] {
    bytes.split(separator: 0, omittingEmptySubsequences: false).split(whereSeparator: \.isEmpty)
        .map { $0.map(Array.init) }
}
