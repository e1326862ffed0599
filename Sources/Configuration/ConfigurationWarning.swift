/// A place in a configuration file.
package struct ConfigurationPlace: Hashable, Sendable {
    /// The file's path.
    package let file: String
    /// Counted from 1.
    package let line: Int

    /// - Parameter line: Counted from 1.
    package init(file: String, line: Int) {
        self.file = file
        self.line = line
    }
}

extension ConfigurationPlace: CustomStringConvertible {
    package var description: String { "\(file):\(line)" }
}

/// A line that is not understood, and how it is treated.
package struct ConfigurationWarning: Hashable, Sendable {
    /// The file and the line.
    package let place: ConfigurationPlace
    /// What is wrong, and the consequence; without a full stop.
    package let message: String

    /// - Parameter message: Without a full stop.
    package init(_ place: ConfigurationPlace, _ message: String) {
        self.place = place
        self.message = message
    }
}

extension ConfigurationWarning: CustomStringConvertible {
    package var description: String { "\(place): \(message)" }
}
