extension StringProtocol {
    /// Whether the text occurs in this one, byte for byte. The standard library's `contains(_:)` compares characters, and
    /// brings its whole engine for regular expressions into the program.
    package func containsText(_ text: String) -> Bool {
        let (bytes, wanted) = (Array(utf8), Array(text.utf8))
        guard let last = wanted.last else { return true }
        // A byte can only be the text's last one if it is equal to it.
        for end in bytes.indices where bytes[end] == last && end + 1 >= wanted.count {
            if bytes[(end + 1 - wanted.count)...end].elementsEqual(wanted) { return true }
        }
        return false
    }
}
