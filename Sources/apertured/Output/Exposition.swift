/// Metrics in Prometheus' text format, version 0.0.4.
struct Exposition {
    /// What a metric's number means.
    enum Kind: String {
        /// It only grows, until it starts again from zero.
        case counter
        /// It goes up and down.
        case gauge
    }

    /// One series: its labels in this order, and its value as the format writes it.
    struct Sample {
        let labels: KeyValuePairs<String, String>
        let value: String

        init(_ labels: KeyValuePairs<String, String> = [:], _ value: String) {
            self.labels = labels
            self.value = value
        }

        /// A whole number.
        init(_ labels: KeyValuePairs<String, String> = [:], _ value: some BinaryInteger) {
            self.init(labels, "\(value)")
        }

        /// 1 or 0.
        init(_ labels: KeyValuePairs<String, String> = [:], _ value: Bool) { self.init(labels, value ? "1" : "0") }
    }

    /// The format's lines, each with a line feed.
    private(set) var text = ""

    /// Adds a metric with its series; nothing without any.
    mutating func add(_ name: String, _ kind: Kind, _ help: String, _ samples: [Sample]) {
        guard !samples.isEmpty else { return }
        text += "# HELP \(name) \(Self.escaped(help, quotes: false))\n# TYPE \(name) \(kind.rawValue)\n"
        for sample in samples {
            // An empty label is the same as none.
            let labels = sample.labels.filter { !$0.value.isEmpty }.map {
                "\($0.key)=\"\(Self.escaped($0.value, quotes: true))\""
            }
            text += name + (labels.isEmpty ? "" : "{\(labels.joined(separator: ","))}") + " \(sample.value)\n"
        }
    }

    private static func escaped(_ text: String, quotes: Bool) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": escaped += "\\\\"
            case "\n": escaped += "\\n"
            case "\"" where quotes: escaped += "\\\""
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }
}
