/// A module that could not be loaded, or unloaded.
package struct ModuleError: Error, Hashable, Sendable {
    package let module: String
    package let reason: String
    /// The process that has not come back from the kernel: a driver's first probe of the card, or its last remove, may still
    /// go on.
    package let stuckProcess: Int32?
    package let isUnloading: Bool

    package init(module: String, reason: String, stuckProcess: Int32? = nil, isUnloading: Bool = false) {
        self.isUnloading = isUnloading
        self.module = module
        self.reason = reason
        self.stuckProcess = stuckProcess
    }
}

extension ModuleError: CustomStringConvertible {
    package var description: String { "cannot \(isUnloading ? "unload" : "load") module \(module): \(reason)" }
}
