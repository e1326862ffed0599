internal import Glibc

/// Environment variables, by name. systemd passes information to a service in them (systemd.exec(5), "Environment
/// Variables Set or Propagated by the Service Manager").
package struct Environment: Sendable {
    private let lookUp: @Sendable (String) -> String?

    /// An environment that holds these variables and nothing else.
    package init(_ variables: [String: String]) {
        lookUp = { variables[$0] }
    }

    private init(lookUp: @escaping @Sendable (String) -> String?) {
        self.lookUp = lookUp
    }

    /// This process's environment; each lookup reads it again.
    package static let process = Environment { name in
        guard let value = unsafe getenv(name) else { return nil }
        return unsafe String(cString: value)
    }

    /// A variable's value; `nil` when it is not set.
    package subscript(name: String) -> String? { lookUp(name) }
}
