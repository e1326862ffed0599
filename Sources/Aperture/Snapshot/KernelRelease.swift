/// A kernel's version, from `/proc/sys/kernel/osrelease`: what it does with a framebuffer changed at 5.18, 6.0 and 6.9.
package struct KernelRelease: Hashable, Sendable {
    package let text: String
    package let major: Int
    package let minor: Int

    /// Reads `6.1.0-50-amd64`; `nil` unless it begins with two numbers and a dot between them.
    package init?(_ text: String) {
        let parts = text.split(separator: ".", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count >= 2, let major = Int(parts[0]), let minor = Int(parts[1].prefix(while: \.isNumber)) else {
            return nil
        }
        self.text = text
        self.major = major
        self.minor = minor
    }

    /// Whether this is the given version or a later one.
    package func isAtLeast(_ major: Int, _ minor: Int) -> Bool {
        (self.major, self.minor) >= (major, minor)
    }
}

extension KernelRelease: CustomStringConvertible {
    package var description: String { text }
}
