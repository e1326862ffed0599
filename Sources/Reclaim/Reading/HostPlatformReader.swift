internal import Aperture
internal import KernelFiles

/// Reads the processor's architecture, and whether this is Xen's control domain.
struct HostPlatformReader {
    let tree: FileTree

    func read(_ kernel: KernelRelease?) throws(FileTreeError) -> HostPlatform {
        var platform = HostPlatform()
        platform.processor = try processor(kernel)
        platform.isXenControlDomain = try isXenControlDomain()
        return platform
    }

    /// The kernel tells its architecture since 6.1. Before, look for what distributions put into its release.
    private func processor(_ kernel: KernelRelease?) throws(FileTreeError) -> HostPlatform.Processor {
        let named = try tree.textIfPresent("/proc/sys/kernel/arch") ?? kernel?.text ?? ""
        let words: [(String, HostPlatform.Processor)] = [
            ("x86", .x86), ("amd64", .x86), ("i686", .x86), ("aarch64", .arm), ("arm64", .arm), ("armv", .arm),
            ("armmp", .arm), ("tegra", .arm), ("-64k", .arm), ("-rpi", .arm), ("raspi", .arm), ("ppc", .other),
            ("powerpc", .other), ("riscv", .other), ("s390", .other), ("loongarch", .other),
        ]
        if let known = words.first(where: { named.contains($0.0) })?.1 { return known }
        // Only x86 has this file.
        if tree.exists(KernelPath.bootParameters) { return .x86 }
        return tree.exists("/sys/firmware/devicetree/base") ? .arm : .x86
    }

    /// Whether this is Xen's control domain, which can manage others. `/proc/xen` tells if it is mounted; else the
    /// features of the hypervisor's interface do: XENFEAT_dom0, bit 11.
    private func isXenControlDomain() throws(FileTreeError) -> Bool {
        if let capabilities = try tree.textIfPresent("/proc/xen/capabilities"), capabilities.contains("control_d") {
            return true
        }
        guard try tree.textIfPresent("/sys/hypervisor/type") == "xen" else { return false }
        // The control domain has the UUID zero, and it alone has the driver that hands devices to other domains.
        let uuid = try tree.textIfPresent("/sys/hypervisor/uuid") ?? ""
        if !uuid.isEmpty, uuid.allSatisfy({ $0 == "0" || $0 == "-" }) { return true }
        let drivers = try tree.listIfPresent(KernelPath.pciDrivers)
        if drivers.contains("pciback") || drivers.contains("xen-pciback") { return true }
        let features = try tree.textIfPresent("/sys/hypervisor/properties/features") ?? ""
        return UInt32(features, radix: 16).map { $0 & 1 << 11 != 0 } ?? false
    }
}
