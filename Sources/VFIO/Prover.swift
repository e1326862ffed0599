package import Aperture
internal import CLinux
internal import Glibc
package import Sysfs
internal import SystemPackage

/// Opens functions through VFIO as a guest's monitor would, and maps every BAR that can be mapped.
///
/// Nothing less proves a claim: a bind succeeds while a BAR cannot be reserved, and from 7.2 on the failed reservation
/// at open is only a debug message (`vfio_pci_core_map_bars()`); the first sign is `mmap`. Opening resets a function
/// that can be reset, so it is only done when no one else has it open, which VFIO itself sees to.
package struct Prover: Sendable {
    private let tree: FileTree

    package init(tree: FileTree) {
        self.tree = tree
    }

    /// Maps every BAR of every function, through each interface that this kernel has.
    /// - Parameter functions: Functions bound to vfio-pci, each with its IOMMU group.
    /// - Returns: One proof per BAR and interface; a failed mapping is a result, not an error.
    /// - Throws: The call that failed before a BAR could be tried.
    package func prove(_ functions: [(address: PCIAddress, group: Int)]) throws(VFIOError) -> [RegionProof] {
        var proofs: [RegionProof] = []
        let nodes = functions.map { (address: $0.address, node: deviceNode(of: $0.address)) }
        let haveGroups = functions.allSatisfy { tree.exists("/dev/vfio/\($0.group)") }
        let haveNodes = tree.exists("/dev/iommu") && nodes.allSatisfy { $0.node != nil }
        if haveGroups || !haveNodes {
            proofs += try proveThroughGroups(functions)
        }
        if haveNodes {
            for case let (address, node?) in nodes {
                proofs += try prove(address, throughNode: node)
            }
        }
        return proofs
    }

    // MARK: - Group and container

    private func proveThroughGroups(
        _ functions: [(address: PCIAddress, group: Int)]
    ) throws(VFIOError) -> [RegionProof] {
        let container = try open("/dev/vfio/vfio")
        try check("VFIO_GET_API_VERSION", "/dev/vfio/vfio", clinux_vfio_api_version(container.rawValue))
        var type: UInt?
        for candidate in [UInt(VFIO_TYPE1v2_IOMMU), UInt(VFIO_TYPE1_IOMMU)] where type == nil {
            if clinux_vfio_supports_type1(container.rawValue, candidate) > 0 { type = candidate }
        }
        guard let type else {
            throw VFIOError(call: "VFIO_CHECK_EXTENSION", target: "/dev/vfio/vfio", errno: .noSuchDevice)
        }
        var proofs: [RegionProof] = []
        for group in Set(functions.map(\.group)).sorted() {
            let node = "/dev/vfio/\(group)"
            let descriptor = try open(node)
            let isViable = try check(
                "VFIO_GROUP_GET_STATUS", node, clinux_vfio_group_is_viable(descriptor.rawValue))
            guard isViable != 0 else {
                throw VFIOError(call: "VFIO_GROUP_GET_STATUS", target: node, errno: .notPermitted)
            }
            try check(
                "VFIO_GROUP_SET_CONTAINER", node,
                clinux_vfio_group_set_container(descriptor.rawValue, container.rawValue))
            try check("VFIO_SET_IOMMU", node, clinux_vfio_set_iommu(container.rawValue, type))
            for function in functions where function.group == group {
                let name = function.address.description
                let device = OwnedDescriptor(
                    FileDescriptor(
                        rawValue: try check(
                            "VFIO_GROUP_GET_DEVICE_FD", name,
                            unsafe name.withCString { unsafe clinux_vfio_group_device(descriptor.rawValue, $0) })))
                proofs += try prove(function.address, device, through: .group)
            }
            // The container forgets its IOMMU with its last group, and is ready for the next.
            try check(
                "VFIO_GROUP_UNSET_CONTAINER", node, clinux_vfio_group_unset_container(descriptor.rawValue))
        }
        return proofs
    }

    // MARK: - The device's own node

    private func deviceNode(of address: PCIAddress) -> String? {
        // Before 6.6, and without CONFIG_VFIO_DEVICE_CDEV, there is no such directory.
        guard
            let name = try? tree.listIfPresent("\(KernelPath.device(address))/vfio-dev").first,
            tree.exists("/dev/vfio/devices/\(name)")
        else { return nil }
        return "/dev/vfio/devices/\(name)"
    }

    private func prove(_ address: PCIAddress, throughNode node: String) throws(VFIOError) -> [RegionProof] {
        let iommu = try open("/dev/iommu")
        let device = try open(node)
        try check("VFIO_DEVICE_BIND_IOMMUFD", node, clinux_vfio_bind_iommufd(device.rawValue, iommu.rawValue))
        return try prove(address, device, through: .iommufd)
    }

    // MARK: - BARs

    private func prove(
        _ address: PCIAddress, _ device: borrowing OwnedDescriptor, through interface: RegionProof.Interface
    ) throws(VFIOError) -> [RegionProof] {
        let count = try check(
            "VFIO_DEVICE_GET_INFO", address.description, clinux_vfio_region_count(device.rawValue))
        var proofs: [RegionProof] = []
        for bar in 0..<min(6, Int(count)) {
            var region = clinux_region()
            try check(
                "VFIO_DEVICE_GET_REGION_INFO", "\(address) BAR \(bar)",
                unsafe clinux_vfio_region(device.rawValue, UInt32(bar), &region))
            guard region.size > 0 else { continue }
            let outcome: RegionProof.Outcome
            if region.can_map {
                let result = unsafe clinux_vfio_map(device.rawValue, &region)
                outcome = result < 0 ? .failed(Errno(rawValue: -result)) : .mapped
            } else {
                outcome = .notMappable
            }
            proofs.append(
                RegionProof(address: address, interface: interface, bar: bar, size: region.size, outcome: outcome))
        }
        return proofs
    }

    // MARK: - Calls

    private func open(_ node: String) throws(VFIOError) -> OwnedDescriptor {
        do {
            return OwnedDescriptor(try tree.open(node, O_RDWR | O_NOFOLLOW))
        } catch {
            throw VFIOError(call: "open", target: node, errno: error)
        }
    }

    @discardableResult
    private func check(_ call: String, _ target: String, _ result: CInt) throws(VFIOError) -> CInt {
        guard result >= 0 else { throw VFIOError(call: call, target: target, errno: Errno(rawValue: -result)) }
        return result
    }
}
