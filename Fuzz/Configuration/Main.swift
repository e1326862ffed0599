internal import Aperture
internal import Configuration
internal import Fuzzing

/// Fuzzes the configuration parser with one file or two; a NUL byte ends the first.
@main
enum Main {
    static func main() { Fuzzer.run(attempt) }
}

private func attempt(_ bytes: [UInt8]) -> CInt {
    let texts = bytes.split(separator: 0, maxSplits: 1, omittingEmptySubsequences: false)
    let files = texts.enumerated().map { index, text in
        ConfigurationFile(path: "/etc/apertured.conf.d/\(index).conf", text: String(decoding: text, as: UTF8.self))
    }
    let configuration = Configuration(files)
    guard let address = PCIAddress("0000:01:00.0") else { return 0 }
    let card = CardFacts(address: address, id: PCIIdentifier("10de:1c82"), path: "pci0000:00/0000:00:01.0/0000:01:00.0")
    // The same files give the same verdict each time.
    let verdicts = (
        configuration.verdict(for: address, among: [card]), Configuration(files).verdict(for: address, among: [card])
    )
    switch verdicts {
    case (.allowed(let options), .allowed(let again)): precondition(options.residue == again.residue)
    case (.refused(let refusals), .refused(let again)): precondition(!refusals.isEmpty && refusals.count == again.count)
    default: preconditionFailure("two verdicts")
    }
    for warning in configuration.warnings { precondition(warning.place.line > 0 && !warning.message.isEmpty) }
    return 0
}
