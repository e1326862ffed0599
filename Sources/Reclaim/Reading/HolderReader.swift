internal import Aperture
internal import Sysfs

/// Finds the processes that have framebuffer or VFIO nodes open, through `/proc/PID/fd`.
struct HolderReader {
    let tree: FileTree

    /// Processes come and go while this runs, and some hide their descriptors: what cannot be read is passed over, so
    /// an empty answer does not prove that nobody holds a node.
    func holders() -> [Holder] {
        guard let processes = try? tree.list("/proc") else { return [] }
        var holders: [Holder] = []
        for process in processes {
            guard let pid = Int32(process), let descriptors = try? tree.list("/proc/\(process)/fd") else { continue }
            var nodes: Set<String> = []
            for descriptor in descriptors {
                guard
                    let node = try? tree.linkTarget("/proc/\(process)/fd/\(descriptor)"),
                    node.hasPrefix("/dev/fb") || node.hasPrefix("/dev/vfio/"), node != "/dev/vfio/vfio"
                else { continue }
                nodes.insert(node)
            }
            guard !nodes.isEmpty else { continue }
            let command = (try? tree.text("/proc/\(process)/comm")) ?? "?"
            holders += nodes.sorted().map { Holder(pid: pid, command: command, node: $0) }
        }
        return holders
    }
}
