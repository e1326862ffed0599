/// The word that was probably meant.
package enum Suggestion {
    /// The nearest of the words: at most two letters away, and nearer than its own half.
    /// - Returns: `nil` when none is near, or when two are as near.
    package static func nearest(to word: String, among words: [String]) -> String? {
        let distances = words.map { ($0, distance(Array(word.utf8), Array($0.utf8))) }.sorted { $0.1 < $1.1 }
        guard let first = distances.first, first.1 <= 2, 2 * first.1 < first.0.utf8.count else { return nil }
        if distances.count > 1, distances[1].1 == first.1 { return nil }
        return first.0
    }

    /// How many letters must be added, left out, replaced, or swapped with their neighbour (the distance of Damerau and
    /// Levenshtein, without overlaps).
    private static func distance(_ left: [UInt8], _ right: [UInt8]) -> Int {
        // Row by row: the distances of the first letters of `left` from those of `right`.
        var rows = [Array(0...right.count)]
        for (index, letter) in left.enumerated() {
            var row = [index + 1]
            for (place, other) in right.enumerated() {
                var best = min(
                    row[place] + 1, rows[index][place + 1] + 1, rows[index][place] + (letter == other ? 0 : 1))
                if index > 0, place > 0, letter == right[place - 1], left[index - 1] == other {
                    best = min(best, rows[index - 1][place - 1] + 1)
                }
                row.append(best)
            }
            rows.append(row)
        }
        return rows[left.count][right.count]
    }
}
