internal import Aperture
internal import CLinux
internal import Glibc
internal import KernelFiles
internal import SystemPackage

/// Opens functions through VFIO as a guest's monitor would, and maps every BAR.
///
/// Nothing less proves a claim: a bind succeeds while a BAR cannot be reserved, and from 7.2 on the failed reservation
/// at open is only a debug message (`vfio_pci_core_map_bars()`); the first sign is `mmap`.
///
/// Opening a function and closing it both reset it (`vfio_pci_core_enable()`, `vfio_pci_core_disable()`); one that cannot be
/// reset alone is reset with its bus or slot at the close, where VFIO has all of that and nobody uses it
/// (`vfio_pci_dev_set_try_reset()`). So it is only done when no one else has it open, which VFIO itself sees to.
///
/// What driver the function is bound to is of no interest, as long as it is VFIO's.
package struct Prover<Calls: VFIOCalls> {
    private let calls: Calls
    private let pageSize: UInt64

    package init(calls: Calls, pageSize: Int = sysconf(CInt(_SC_PAGESIZE))) {
        self.calls = calls
        self.pageSize = UInt64(pageSize)
    }

    /// Maps every BAR of every function, through each interface that this kernel has. One after the other: VFIO lets
    /// nobody open a device's own node while its group is open (`vfio_device_block_group()`).
    /// - Returns: One proof per BAR and interface; a failed mapping is a result, not an error.
    /// - Throws: Why a function could not be tried.
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
            // Without either, the error names what is missing of the way that there is: most kernels have groups.
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
            // The container forgets its IOMMU with its last group, and is ready for the next.
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

    /// Gives the device that is attached a page of memory, as a guest's is given, and takes it back.
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

    /// The BARs that nothing has told of so far: the row of one that the kernel gave up is as empty as that of none, and its
    /// register can read zero. Its size tells, and now is the time to ask: the function is open here and nowhere else.
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
