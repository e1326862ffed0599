internal import Glibc

/// What a container's environment says of the host.
package enum HostRoot {
    /// `APERTURED_HOST_ROOT`: where a container has the host's root file system, from which modules are loaded; `nil` outside
    /// a container.
    package static var path: String? {
        guard let value = unsafe getenv("APERTURED_HOST_ROOT") else { return nil }
        let path = unsafe String(cString: value)
        return path.hasPrefix("/") ? path : nil
    }
}
