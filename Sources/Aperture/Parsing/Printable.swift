extension String {
    /// The text with a question mark for each character that a terminal would obey: control characters, and those that
    /// change the direction of a line or end it. Users choose many names that root reads at a terminal.
    package var printable: String {
        let scalars = unicodeScalars.map { scalar -> Unicode.Scalar in
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator: "?"
            default: scalar
            }
        }
        return String(String.UnicodeScalarView(scalars))
    }
}
