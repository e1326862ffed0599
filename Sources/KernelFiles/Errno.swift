package import SystemPackage

extension Errno {
    /// ENODEV, which swift-system names after the text that BSD prints. sysfs returns it when an attribute's device is
    /// gone, and for an unbind of a device that is not bound.
    package static var noSuchDevice: Errno { .operationNotSupportedByDevice }
}
