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
        if let known = words.first(where: { named.containsText($0.0) })?.1 { return known }
        // Only x86 has this file.
        if tree.exists(KernelPath.bootParameters) { return .x86 }
        return tree.exists("/sys/firmware/devicetree/base") ? .arm : .x86
    }

    /// Whether this is Xen's control domain, which can manage others. `/proc/xen` tells if it is mounted; else the
    /// features of the hypervisor's interface do: XENFEAT_dom0, bit 11.
    private func isXenControlDomain() throws(FileTreeError) -> Bool {
        if let capabilities = try tree.textIfPresent("/proc/xen/capabilities"), capabilities.containsText("control_d") {
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

/// Reads the state of nvidia's kernel modules.
struct NvidiaReader {
    let tree: FileTree

    /// The bit of CAP_SYS_MODULE (`include/uapi/linux/capability.h`).
    private static let moduleCapability: UInt64 = 1 << 16

    func read() throws(FileTreeError) -> NvidiaModules {
        var nvidia = NvidiaModules()
        // The other modules need this one.
        guard tree.exists(KernelPath.module(NvidiaModules.core)) else { return nvidia }
        for name in NvidiaModules.names where tree.exists(KernelPath.module(name)) {
            let path = KernelPath.module(name)
            nvidia.modules.append(
                NvidiaModules.Module(
                    name: name, references: try tree.textIfPresent("\(path)/refcnt").flatMap { Int($0) },
                    holders: try tree.listIfPresent("\(path)/holders")))
        }
        nvidia.devices = try tree.listIfPresent("\(KernelPath.pciDrivers)/\(NvidiaModules.core)").compactMap {
            PCIAddress($0)
        }
        nvidia.modeset = parameter("modeset")
        nvidia.fbdev = parameter("fbdev")
        nvidia.unloadingForbidden = try whatForbidsUnloading()
        return nvidia
    }

    /// Only root can read the parameters (0400), and they only make a message clearer.
    private func parameter(_ name: String) -> String? {
        try? tree.textIfPresent("\(KernelPath.module("nvidia_drm"))/parameters/\(name)")
    }

    private func whatForbidsUnloading() throws(FileTreeError) -> String? {
        if try tree.textIfPresent("/proc/sys/kernel/modules_disabled") == "1" {
            return "the kernel no longer loads or unloads modules (kernel.modules_disabled)"
        }
        let status = try tree.textIfPresent("/proc/self/status")?.split(separator: "\n") ?? []
        let line = status.first { $0.hasPrefix("CapEff:") }
        guard
            let effective = line?.split(whereSeparator: \.isWhitespace).last.flatMap({ UInt64($0, radix: 16) }),
            effective & Self.moduleCapability == 0
        else { return nil }
        return "this process lacks CAP_SYS_MODULE"
    }
}
