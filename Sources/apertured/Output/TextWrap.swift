/// Breaks text into lines.
enum TextWrap {
    /// Breaks a text between words. A word that is longer than a line is not cut.
    /// - Parameters:
    ///   - width: The longest line, in columns; `nil` for one line.
    ///   - first: What the first line begins with.
    ///   - rest: What each further line begins with.
    static func lines(_ text: String, _ width: Int?, first: String, rest: String) -> [String] {
        guard let width else { return [first + text] }
        return lines(text.split(separator: " "), width, first: first, rest: rest)
    }

    /// As the other one, from the words of a text.
    static func lines(_ words: [Substring], _ width: Int, first: String, rest: String) -> [String] {
        var lines: [String] = []
        var line = first
        var isEmpty = true
        for word in words {
            if !isEmpty, line.count + 1 + word.count > width {
                lines.append(line)
                line = rest
                isEmpty = true
            }
            line += (isEmpty ? "" : " ") + word
            isEmpty = false
        }
        return lines + [line]
    }

    /// The word, cut where it is longer than this.
    static func pieces(of word: Substring, _ length: Int) -> [Substring] {
        guard length > 0, word.count > length else { return [word] }
        return [word.prefix(length)] + pieces(of: word.dropFirst(length), length)
    }
}
