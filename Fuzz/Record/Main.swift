internal import Aperture
internal import Fuzzing
internal import Record

/// Fuzzes the decoder of records.
@main
enum Main {
    static func main() { Fuzzer.run(attempt) }
}

private func attempt(_ bytes: [UInt8]) -> CInt {
    // Bytes may fail to decode. A record that decodes stays the same when it is encoded and decoded again.
    guard let record = try? RecordCodec.decode(bytes) else { return 0 }
    precondition((try? RecordCodec.decode(RecordCodec.encode(record))) == record)
    precondition(record.prior.functions.allSatisfy { $0.address.sharesSlot(with: record.gpu) })
    return 0
}
