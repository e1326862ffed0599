internal import Aperture
internal import KernelFiles

/// Finds the device nodes of one PCI function, from what its driver registered below it in sysfs.
struct NodeReader {
    let tree: FileTree

    func nodes(of function: PCIFunction) throws(FileTreeError) -> [String] {
        guard let driver = function.driver else { return [] }
        let path = KernelPath.device(function.address)
        if function.isOnVFIO {
            let group = function.iommuGroup.map { ["/dev/vfio/\($0.number)"] } ?? []
            return group + (try tree.listIfPresent("\(path)/vfio-dev")).map { "/dev/vfio/devices/\($0)" }
        }
        var nodes = try tree.listIfPresent("\(path)/drm").filter { $0.hasPrefix("card") || $0.hasPrefix("renderD") }
            .map { "/dev/dri/\($0)" }
        nodes += try tree.listIfPresent("\(path)/accel").filter { $0.hasPrefix("accel") }.map { "/dev/accel/\($0)" }
        nodes += try tree.listIfPresent("\(path)/graphics").map { "/dev/\($0)" }
        for card in try tree.listIfPresent("\(path)/sound") where card.hasPrefix("card") {
            let parts = try tree.listIfPresent("\(path)/sound/\(card)")
            nodes += parts.filter { $0.hasPrefix("pcmC") || $0.hasPrefix("controlC") || $0.hasPrefix("hwC") }
                .map { "/dev/snd/\($0)" }
        }
        if driver == "nvidia" { nodes += try nvidiaNodes(function.address) }
        return nodes
    }

    /// nvidia makes its nodes outside the device model, and shows a card's minor in its own procfs file. Without that
    /// file the nodes of all cards count, which refuses too much rather than too little.
    private func nvidiaNodes(_ address: PCIAddress) throws(FileTreeError) -> [String] {
        let text = try tree.textIfPresent("/proc/driver/nvidia/gpus/\(address)/information") ?? ""
        let line = text.split(separator: "\n").first { $0.hasPrefix("Device Minor:") }
        if let minor = line?.split(whereSeparator: \.isWhitespace).last.flatMap({ Int($0) }) {
            return ["/dev/nvidia\(minor)"]
        }
        return try tree.listIfPresent("/dev").filter { name in
            name.hasPrefix("nvidia") && name.dropFirst(6).allSatisfy(\.isNumber)
        }.map { "/dev/\($0)" }
    }
}
