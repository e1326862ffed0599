/// The kernel's command line (/proc/cmdline).
package struct KernelCommandLine: Hashable, Sendable {
    /// One option.
    package struct Option: Hashable, Sendable {
        /// The name as it was written: `vfio-pci.ids`.
        package let name: String
        /// What follows the equals sign; `nil` without one.
        package let value: String?

        /// As a person writes it.
        package var text: String { value.map { "\(name)=\($0)" } ?? name }
    }

    /// In order, as far as `--`, behind which init's arguments stand.
    package let options: [Option]

    /// Reads the line. Double quotes keep spaces together, as `next_arg()` in lib/cmdline.c has it.
    package init(_ text: some StringProtocol) {
        var words: [String] = []
        var word = ""
        var isQuoted = false
        for character in text {
            if character == "\"" {
                isQuoted.toggle()
            } else if character.isWhitespace, !isQuoted {
                if !word.isEmpty { words.append(word) }
                word = ""
            } else {
                word.append(character)
            }
        }
        if !word.isEmpty { words.append(word) }
        options = words.prefix { $0 != "--" }.map { word in
            guard let sign = word.firstIndex(of: "=") else { return Option(name: word, value: nil) }
            return Option(name: String(word[..<sign]), value: String(word[word.index(after: sign)...]))
        }
    }

    /// The options of this name. The kernel takes hyphens and underscores for the same (`parameq()`).
    package func options(named name: String) -> [Option] {
        let name = Self.normalized(name)
        return options.filter { Self.normalized($0.name) == name }
    }

    /// The parts between commas of all values of this option: `on` and `sm_on` of `intel_iommu=on,sm_on`.
    package func words(of name: String) -> [String] {
        options(named: name).flatMap { option in
            (option.value ?? "").split(separator: ",").map(String.init)
        }
    }

    /// With underscores for hyphens.
    static func normalized(_ name: String) -> String { String(name.map { $0 == "-" ? "_" : $0 }) }
}
