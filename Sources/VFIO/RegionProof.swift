package import Aperture
package import SystemPackage

/// What came of mapping one BAR of one function.
package struct RegionProof: Hashable, Sendable {
    /// How the device was opened.
    package enum Interface: String, Hashable, Sendable {
        /// Group and container: `/dev/vfio/GROUP`.
        case group
        /// The device's own node with an iommufd: `/dev/vfio/devices/vfioN` (kernel 6.6 and later).
        case iommufd
    }

    package enum Outcome: Hashable, Sendable {
        case mapped
        /// VFIO offers no mapping: an I/O BAR, or one smaller than a page that shares it.
        case notMappable
        case failed(Errno)
    }

    package let address: PCIAddress
    package let interface: Interface
    /// 0 to 5.
    package let bar: Int
    /// In bytes.
    package let size: UInt64
    package let outcome: Outcome

    package init(address: PCIAddress, interface: Interface, bar: Int, size: UInt64, outcome: Outcome) {
        self.address = address
        self.interface = interface
        self.bar = bar
        self.size = size
        self.outcome = outcome
    }

    package var hasFailed: Bool {
        if case .failed = outcome { true } else { false }
    }
}

extension RegionProof: CustomStringConvertible {
    package var description: String {
        let result =
            switch outcome {
            case .mapped: "mapped \(size) bytes"
            case .notMappable: "not mappable (\(size) bytes)"
            case .failed(let errno): "cannot map \(size) bytes: \(errno) (errno \(errno.rawValue))"
            }
        return "\(address) BAR \(bar): \(result) [\(interface.rawValue)]"
    }
}
