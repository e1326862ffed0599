internal import Aperture
internal import Fuzzing
internal import Record

/// Fuzzes the state record.
@main
enum Main {
    static func main() { Fuzzer.run(attempt) }
}

private func attempt(_ bytes: [UInt8]) -> CInt {
    // A failure to decode is an answer; what decodes is written and read as the same.
    guard let record = try? RecordCodec.decode(bytes) else { return 0 }
    precondition((try? RecordCodec.decode(RecordCodec.encode(record))) == record)
    precondition(record.prior.functions.allSatisfy { $0.address.sharesSlot(with: record.gpu) })
    return 0
}
