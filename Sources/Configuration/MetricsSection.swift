/// What the sections `[Metrics]` say: which files are kept as new as the cards. No bad line of it concerns a card.
package struct MetricsSection: Hashable, Sendable {
    /// `File=`: the file of Prometheus' metrics; `nil` for none.
    package var file: String?
    /// `NodeFeatures=`: the file of node-feature-discovery's labels; `nil` for none.
    package var nodeFeatures: String?

    /// No files.
    package init() {}

    /// Whether there is a file to write.
    package var isEmpty: Bool { file == nil && nodeFeatures == nil }

    /// Where apertured itself keeps files, and the folder in it for files that others read.
    private static let (own, published) = ("/run/apertured/", "/run/apertured/metrics/")

    /// Sets a key; an empty value means no file again.
    /// - Returns: What is wrong with it, and the consequence; `nil` when nothing is.
    mutating func set(_ key: String, to value: Substring) -> String? {
        guard key == "File" || key == "NodeFeatures" else {
            return key.hasPrefix("X-") ? nil : "unknown key \(key)=, ignored"
        }
        if !value.isEmpty, let objection = Self.objection(to: value) {
            return "\(key)=\(value) is \(objection); ignored"
        }
        let path = value.isEmpty ? nil : String(value)
        if key == "File" { file = path } else { nodeFeatures = path }
        return nil
    }

    /// What keeps this from being a file's path, as the end of a sentence; `nil` for a good one.
    private static func objection(to path: Substring) -> String? {
        guard path.hasPrefix("/") else { return "no absolute path" }
        let components = path.dropFirst().split(separator: "/", omittingEmptySubsequences: false)
        guard components.allSatisfy({ !$0.isEmpty && $0 != "." && $0 != ".." }), path.printableOnly else {
            return "no plain path of a file"
        }
        guard path.hasPrefix(own) else { return nil }
        let name = path.dropFirst(published.count)
        return path.hasPrefix(published) && !name.contains("/")
            ? nil : "among apertured's own files: there, name one in \(published)"
    }
}

extension Substring {
    /// Whether no character of it is a control character.
    fileprivate var printableOnly: Bool { unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7f } }
}
