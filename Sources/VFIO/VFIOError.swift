package import Aperture
internal import KernelFiles
package import SystemPackage

/// Why the BARs of a function could not be tried.
package enum VFIOError: Error, Hashable, Sendable {
    /// A call failed. Its name is that of linux/vfio.h or linux/iommufd.h (`VFIO_SET_IOMMU`), or `open`, `read` or
    /// `list`; the target is a path or a PCI address.
    case call(String, target: String, errno: Errno)
    /// Nothing answers: the configuration reads all ones.
    case silent(PCIAddress)
    /// The function has neither an IOMMU group nor a device node of its own.
    case noInterface(PCIAddress)

    /// A call that failed; see ``call(_:target:errno:)``.
    package init(call: String, target: String, errno: Errno) {
        self = .call(call, target: target, errno: errno)
    }

    /// The error number of a failed call; `nil` for the other errors.
    package var errno: Errno? {
        if case .call(_, _, let errno) = self { errno } else { nil }
    }

    /// The usual cause when this call fails with this error; `nil` when none is known.
    package var knownCause: String? {
        guard case .call(let call, let target, let errno) = self else { return nil }
        return switch (call, errno) {
        case ("open", .noSuchFileOrDirectory) where target == "/dev/iommu":
            "the node is missing: is the iommufd module loaded?"
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
        case ("VFIO_DEVICE_BIND_IOMMUFD", .resourceBusy):
            "another process has the device or its group open: a guest may be running on it"
        case ("VFIO_DEVICE_BIND_IOMMUFD", .notPermitted):
            "a device of the group is bound to a host driver or used by another process, or interrupts are not "
                + "remapped and iommufd lacks allow_unsafe_interrupts=1"
        case ("VFIO_DEVICE_BIND_IOMMUFD", .noSuchDevice):
            "the device has no IOMMU group"
        case ("VFIO_DEVICE_BIND_IOMMUFD", .invalidArgument):
            "another process has the device open, and a guest may be running on it; or the IOMMU does not enforce "
                + "cache coherency"
        case ("IOMMU_IOAS_MAP", .noMemory):
            "the limit of locked memory (RLIMIT_MEMLOCK) may be too low"
        default: nil
        }
    }
}

extension VFIOError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .call(let call, let target, let errno):
            "\(call) on \(target): \(errno) (errno \(errno.rawValue))\(knownCause.map { "; \($0)" } ?? "")"
        case .silent(let address):
            "\(address) does not answer: its configuration reads all ones through VFIO. The card fell off the bus or "
                + "cannot wake up; switch the machine off and on again"
        case .noInterface(let address):
            "VFIO cannot open \(address): it has neither an IOMMU group with a node in /dev/vfio, nor a node of its "
                + "own in /dev/vfio/devices together with /dev/iommu"
        }
    }
}
