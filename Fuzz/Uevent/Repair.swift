/// The bytes as UTF-8, with U+FFFD in place of each ill-formed part.
///
/// It follows Unicode's table of well-formed sequences (The Unicode Standard, table 3-7) and uses no decoder of
/// Swift's. A truncated sequence gives one U+FFFD.
func repaired(_ bytes: some Collection<UInt8>) -> [UInt8] {
    var text: [UInt8] = []
    var rest = Array(bytes)[...]
    while let first = rest.first {
        let following = following(first)
        let tail = rest.dropFirst()
        let fitting = zip(tail, following ?? []).prefix { $1.contains($0) }.count
        let sequence = rest.prefix(1 + fitting)
        text += fitting == following?.count ? Array(sequence) : [0xef, 0xbf, 0xbd]
        rest = rest.dropFirst(sequence.count)
    }
    return text
}

/// The bytes that may follow the first byte of a sequence; `nil` for a byte that begins none.
private func following(_ first: UInt8) -> [ClosedRange<UInt8>]? {
    let any: ClosedRange<UInt8> = 0x80...0xbf
    switch first {
    case 0x00...0x7f: return []
    case 0xc2...0xdf: return [any]
    case 0xe0: return [0xa0...0xbf, any]
    case 0xe1...0xec, 0xee...0xef: return [any, any]
    case 0xed: return [0x80...0x9f, any]
    case 0xf0: return [0x90...0xbf, any, any]
    case 0xf1...0xf3: return [any, any, any]
    case 0xf4: return [0x80...0x8f, any, any]
    default: return nil
    }
}
