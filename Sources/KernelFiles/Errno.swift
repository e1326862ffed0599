package import SystemPackage

extension Errno {
    /// ENODEV, which swift-system calls by the BSD sentence: sysfs gives it when an attribute's device has gone, and for
    /// an unbind of what is not bound.
    package static var noSuchDevice: Errno { .operationNotSupportedByDevice }
}
