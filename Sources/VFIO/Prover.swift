internal import Aperture
internal import CLinux
internal import Glibc
internal import KernelFiles
internal import SystemPackage

/// Opens functions through VFIO as a virtual machine monitor would, and maps every BAR.
///
/// Nothing less proves a claim: a bind succeeds even when a BAR cannot be reserved, and since 7.2 a failed reservation
/// at open is only a debug message (`vfio_pci_core_map_bars()`); the first visible failure is `mmap`.
///
/// Opening a function and closing it both reset it (`vfio_pci_core_enable()`, `vfio_pci_core_disable()`). A function
/// that cannot be reset alone is reset with its bus or slot at the close, if VFIO has every function there and none is
/// in use (`vfio_pci_dev_set_try_reset()`). A proof therefore needs a function that nobody else has open; VFIO enforces
/// that.
///
/// The function may be bound to vfio-pci or to any other VFIO driver.
package struct Prover<Calls: VFIOCalls> {
    private let calls: Calls
    private let pageSize: UInt64

    /// - Parameter pageSize: In bytes.
    package init(calls: Calls, pageSize: Int = sysconf(CInt(_SC_PAGESIZE))) {
        self.calls = calls
        self.pageSize = UInt64(pageSize)
    }

    /// Maps every BAR of every function through each interface that this kernel has. The interfaces take turns: while a
    /// group is open, VFIO does not let anyone open a device's own node (`vfio_device_block_group()`).
    /// - Returns: One proof per BAR and interface; a failed mapping is a result, not an error.
    /// - Throws: ``VFIOError`` when a function could not be tried.
    package func prove(_ targets: [ProofTarget]) throws(VFIOError) -> [RegionProof] {
        var grouped: [(target: ProofTarget, group: Int)] = []
        var nodes: [(target: ProofTarget, node: String)] = []
        for target in targets {
            if let group = target.group { grouped.append((target, group)) }
            if let node = try deviceNode(of: target.address) { nodes.append((target, node)) }
        }
        let haveGroups =
            grouped.count == targets.count && calls.exists(Self.container)
            && grouped.allSatisfy { calls.exists(Self.groupNode($0.group)) }
        let haveNodes = nodes.count == targets.count && calls.exists(Self.iommufd)
        var proofs: [RegionProof] = []
        if haveGroups || !haveNodes {
            // With neither interface, the error names the missing node of the likelier one: most kernels have groups.
            if !haveGroups, !nodes.isEmpty, nodes.count == targets.count, !calls.exists(Self.container) {
                throw VFIOError(call: "open", target: Self.iommufd, errno: .noSuchFileOrDirectory)
            }
            if let target = targets.first(where: { $0.group == nil }) { throw .noInterface(target.address) }
            proofs += try proveThroughGroups(grouped)
        }
        if haveNodes {
            proofs += try proveThroughNodes(nodes)
        }
        return proofs
    }

    // MARK: - Group and container

    private func proveThroughGroups(
        _ functions: [(target: ProofTarget, group: Int)]
    ) throws(VFIOError) -> [RegionProof] {
        let container = try open(Self.container)
        _ = try named("VFIO_GET_API_VERSION", Self.container) { () throws(Errno) in
            try calls.apiVersion(ofContainer: container.descriptor)
        }
        var type: UInt?
        for candidate in [UInt(VFIO_TYPE1v2_IOMMU), UInt(VFIO_TYPE1_IOMMU)] where type == nil {
            let isSupported = try named("VFIO_CHECK_EXTENSION", Self.container) { () throws(Errno) in
                try calls.supports(container.descriptor, candidate)
            }
            if isSupported { type = candidate }
        }
        guard let type else {
            throw VFIOError(call: "VFIO_CHECK_EXTENSION", target: Self.container, errno: .noSuchDevice)
        }
        var proofs: [RegionProof] = []
        for group in Set(functions.map(\.group)).sorted() {
            let node = Self.groupNode(group)
            let descriptor = try open(node)
            let isViable = try named("VFIO_GROUP_GET_STATUS", node) { () throws(Errno) in
                try calls.isViable(descriptor.descriptor)
            }
            guard isViable else {
                throw VFIOError(call: "VFIO_GROUP_GET_STATUS", target: node, errno: .notPermitted)
            }
            try named("VFIO_GROUP_SET_CONTAINER", node) { () throws(Errno) in
                try calls.setContainer(ofGroup: descriptor.descriptor, to: container.descriptor)
            }
            try named("VFIO_SET_IOMMU", node) { () throws(Errno) in
                try calls.setIOMMU(ofContainer: container.descriptor, to: type)
            }
            for (target, _) in functions.filter({ $0.group == group }) {
                let name = target.address.description
                let device = try named("VFIO_GROUP_GET_DEVICE_FD", name) { () throws(Errno) in
                    try calls.device(ofGroup: descriptor.descriptor, named: name)
                }
                proofs += try prove(target, OpenNode(device, calls), through: .group)
            }
            // When the last group leaves, the container forgets its IOMMU and is ready for the next group.
            try named("VFIO_GROUP_UNSET_CONTAINER", node) { () throws(Errno) in
                try calls.unsetContainer(ofGroup: descriptor.descriptor)
            }
        }
        return proofs
    }

    // MARK: - The device's own node

    /// The node of a function's VFIO device; `nil` before 6.6 and without CONFIG_VFIO_DEVICE_CDEV.
    private func deviceNode(of address: PCIAddress) throws(VFIOError) -> String? {
        let folder = "\(KernelPath.device(address))/vfio-dev"
        let names = try named("list", folder) { () throws(Errno) in try calls.list(folder) }
        return names.sorted().map { "/dev/vfio/devices/\($0)" }.first(where: calls.exists)
    }

    private func proveThroughNodes(
        _ functions: [(target: ProofTarget, node: String)]
    ) throws(VFIOError) -> [RegionProof] {
        let iommufd = try open(Self.iommufd)
        let addressSpace = try named("IOMMU_IOAS_ALLOC", Self.iommufd) { () throws(Errno) in
            try calls.allocateAddressSpace(in: iommufd.descriptor)
        }
        var proofs: [RegionProof] = []
        for (target, node) in functions {
            let device = try open(node)
            try named("VFIO_DEVICE_BIND_IOMMUFD", node) { () throws(Errno) in
                try calls.bind(device.descriptor, to: iommufd.descriptor)
            }
            try named("VFIO_DEVICE_ATTACH_IOMMUFD_PT", node) { () throws(Errno) in
                try calls.attach(device.descriptor, to: addressSpace)
            }
            try mapMemory(into: addressSpace, of: iommufd.descriptor, for: target.address)
            proofs += try prove(target, device, through: .iommufd)
        }
        return proofs
    }

    /// Maps a page of memory for the attached device, as a monitor maps the guest's memory, and unmaps it.
    private func mapMemory(
        into addressSpace: UInt32, of iommufd: CInt, for address: PCIAddress
    ) throws(VFIOError) {
        let page = MemoryPage(size: Int(pageSize))
        let place = try named("IOMMU_IOAS_MAP", "\(Self.iommufd) for \(address)") { () throws(Errno) in
            try calls.map(page, into: addressSpace, of: iommufd)
        }
        try named("IOMMU_IOAS_UNMAP", "\(Self.iommufd) for \(address)") { () throws(Errno) in
            try calls.unmap(place, size: pageSize, from: addressSpace, of: iommufd)
        }
    }

    // MARK: - BARs

    private func prove(
        _ target: ProofTarget, _ device: borrowing OpenNode<Calls>, through interface: RegionProof.Interface
    ) throws(VFIOError) -> [RegionProof] {
        let device = device.descriptor
        let configuration = try DeviceConfiguration(calls, of: device, at: target.address)
        let table = try configuration.msixTable()
        let count = try named("VFIO_DEVICE_GET_INFO", target.address.description) { () throws(Errno) in
            try calls.regionCount(of: device)
        }
        var proofs: [RegionProof] = []
        var untold: [Int] = []
        var isUpperHalf = false
        for bar in 0..<6 {
            if isUpperHalf {
                isUpperHalf = false
                continue
            }
            var region = RegionInfo(size: 0, offset: 0, canMap: false)
            if bar < count {
                region = try named("VFIO_DEVICE_GET_REGION_INFO", "\(target.address) BAR \(bar)") {
                    () throws(Errno) in try calls.region(UInt32(bar), of: device)
                }
            }
            if region.size > 0 {
                isUpperHalf = try configuration.isWide(bar)
                let trial = BARTrial(
                    region, table: table?.bar == bar ? table?.range : nil, kind: try configuration.kind(ofBAR: bar),
                    pageSize: pageSize)
                proofs.append(trial.proof(of: target.address, bar, through: interface, calls, device))
            } else if let size = target.bars?[bar] {
                proofs.append(
                    RegionProof(
                        address: target.address, interface: interface, bar: bar, size: size, outcome: .missing))
            } else {
                untold.append(bar)
            }
        }
        return proofs + (target.isVirtual ? [] : doubts(untold, of: target.address, through: interface))
    }

    /// Looks for BARs that neither VFIO nor sysfs shows. A BAR that the kernel gave up has an empty row in `resource`,
    /// as a BAR that does not exist has, and its register can read zero. Only sizing the register tells them apart,
    /// which is safe now: this process alone has the function open.
    private func doubts(
        _ bars: [Int], of address: PCIAddress, through interface: RegionProof.Interface
    ) -> [RegionProof] {
        guard let first = bars.first else { return [] }
        func proof(_ bar: Int, _ size: UInt64, _ outcome: RegionProof.Outcome) -> RegionProof {
            RegionProof(address: address, interface: interface, bar: bar, size: size, outcome: outcome)
        }
        do {
            let found = try calls.size(bars, of: address)
            var missing: [RegionProof] = []
            var isUpperHalf = false
            for bar in bars {
                let register = found[bar] ?? 0
                defer { isUpperHalf = !isUpperHalf && register & 0x7 == 0x4 && bars.contains(bar + 1) }
                // PCI_BASE_ADDRESS_SPACE_IO: ports are never mapped.
                guard !isUpperHalf, register != 0, register & 0x1 == 0 else { continue }
                let size = UInt64(~(register & ~0xf)) + 1
                missing.append(proof(bar, size, .missing))
            }
            return missing
        } catch {
            return [proof(first, 0, .unsized(error))]
        }
    }

    // MARK: - Calls

    private static var container: String { "/dev/vfio/vfio" }
    private static var iommufd: String { "/dev/iommu" }
    private static func groupNode(_ group: Int) -> String { "/dev/vfio/\(group)" }

    private func open(_ node: String) throws(VFIOError) -> OpenNode<Calls> {
        OpenNode(try named("open", node) { () throws(Errno) in try calls.open(node) }, calls)
    }

    private func named<Value>(
        _ call: String, _ target: String, _ work: () throws(Errno) -> Value
    ) throws(VFIOError) -> Value {
        do {
            return try work()
        } catch {
            throw VFIOError(call: call, target: target, errno: error)
        }
    }
}
