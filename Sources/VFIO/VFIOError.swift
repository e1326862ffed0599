internal import Sysfs
package import SystemPackage

/// A VFIO call that failed before any BAR could be tried.
package struct VFIOError: Error, Hashable, Sendable {
    /// The call, by the name of linux/vfio.h: `VFIO_SET_IOMMU`, or `open`.
    package let call: String
    /// What it was called on: a device node or a PCI address.
    package let target: String
    package let errno: Errno

    package init(call: String, target: String, errno: Errno) {
        self.call = call
        self.target = target
        self.errno = errno
    }

    /// What is known to make exactly this call fail with exactly this error; `nil` when nothing is.
    package var knownCause: String? {
        switch (call, errno) {
        case ("open", .noSuchFileOrDirectory):
            "the node is missing: is the vfio module loaded, and the device bound to vfio-pci?"
        case ("open", .resourceBusy):
            "another process has it open: a guest may be running on it"
        case ("VFIO_GROUP_GET_STATUS", _):
            "a device of the group is bound to a host driver"
        case ("VFIO_SET_IOMMU", .resourceBusy):
            "on kernel 5.10 with iommu=pt this follows the rescan of a card on the root bus: boot with iommu=nopt"
        case ("VFIO_SET_IOMMU", .notPermitted):
            "without interrupt remapping VFIO refuses, unless vfio_iommu_type1 has allow_unsafe_interrupts=1"
        case ("VFIO_SET_IOMMU", .noSuchDevice), ("VFIO_CHECK_EXTENSION", _):
            "the vfio_iommu_type1 module is not loaded"
        case ("VFIO_GROUP_GET_DEVICE_FD", .resourceBusy):
            "the device is open in another process, or being reset"
        default: nil
        }
    }
}

extension VFIOError: CustomStringConvertible {
    package var description: String {
        let cause = knownCause.map { "; \($0)" } ?? ""
        return "\(call) on \(target): \(errno) (errno \(errno.rawValue))\(cause)"
    }
}
