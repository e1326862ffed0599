/// The text of one configuration file, and its path.
package struct ConfigurationFile: Hashable, Sendable {
    /// The path without the root: `/etc/apertured.conf.d/50-guest.conf`.
    package let path: String
    /// The whole text, with what is not UTF-8 replaced.
    package let text: String

    /// - Parameter path: For the places in warnings; nothing is read.
    package init(path: String, text: String) {
        self.path = path
        self.text = text
    }
}
