/// A terminal on which one text replaces another (ECMA-48).
struct Screen {
    /// `nil` if the standard output is no terminal.
    init?() {
        guard Terminal.rows != nil else { return nil }
        // An empty screen; what was on it stays in the terminal's memory.
        Terminal.print("\u{1b}[2J", terminator: "")
    }

    /// Replaces what is shown. Lines for which there is no room are left out, and counted.
    func show(_ text: String) {
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        if lines.last?.isEmpty == true { lines.removeLast() }
        let room = (Terminal.rows ?? 24) - 1
        if lines.count > room, room > 0 {
            let more = lines.count - room + 1
            lines = lines.prefix(room - 1) + ["(\(more) more lines)"]
        }
        // From the top, each line to its end, and everything below: nothing flickers.
        let drawn = lines.map { "\($0)\u{1b}[K\n" }.joined()
        Terminal.print("\u{1b}[H\(drawn)\u{1b}[J", terminator: "")
    }
}
