/// A text from elsewhere as a message may contain it: so many bytes at most, and a question mark for each that is not
/// printable ASCII.
func printable(_ text: String, atMost limit: Int = 200) -> String {
    let bytes = text.utf8.prefix(limit).map { (0x20...0x7e).contains($0) ? $0 : UInt8(ascii: "?") }
    return String(decoding: bytes, as: UTF8.self)
}
