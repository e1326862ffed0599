/// A place in a configuration file.
package struct ConfigurationPlace: Hashable, Sendable {
    package let file: String
    /// Counted from 1.
    package let line: Int

    package init(file: String, line: Int) {
        self.file = file
        self.line = line
    }
}

extension ConfigurationPlace: CustomStringConvertible {
    package var description: String { "\(file):\(line)" }
}

/// A line that is not understood, and what is made of it.
package struct ConfigurationWarning: Hashable, Sendable {
    package let place: ConfigurationPlace
    package let message: String

    package init(_ place: ConfigurationPlace, _ message: String) {
        self.place = place
        self.message = message
    }
}

extension ConfigurationWarning: CustomStringConvertible {
    package var description: String { "\(place): \(message)" }
}
