/// A module that could not be loaded.
package struct ModuleError: Error, Hashable, Sendable {
    package let module: String
    package let reason: String

    package init(module: String, reason: String) {
        self.module = module
        self.reason = reason
    }
}

extension ModuleError: CustomStringConvertible {
    package var description: String { "cannot load module \(module): \(reason)" }
}
