internal import Aperture
internal import KernelFiles

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
