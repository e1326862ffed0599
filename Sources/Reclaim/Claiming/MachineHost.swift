package import Aperture
internal import CLinux
internal import Glibc
package import Sysfs
internal import SystemPackage
package import VFIO

/// The machine itself, or a tree of files in its shape.
package struct MachineHost: Host {
    package let tree: FileTree

    package init(tree: FileTree) {
        self.tree = tree
    }

    package func snapshot(withHolders: Bool) throws(SnapshotError) -> Snapshot {
        try SnapshotReader(tree: tree).read(withHolders: withHolders)
    }

    package func attribute(_ path: String) throws(FileTreeError) -> String? {
        try tree.override(path)
    }

    package func driver(ofDevice path: String) throws(FileTreeError) -> String? {
        try tree.linkName("\(path)/driver")
    }

    package func exists(_ path: String) -> Bool {
        tree.exists(path)
    }

    package func write(_ value: String, to path: String) throws(FileTreeError) {
        try tree.write(value, to: path)
    }

    /// Through modprobe, which knows aliases, dependencies and the administrator's options.
    package func load(module: String) throws(ModuleError) {
        guard tree.isMachine else {
            throw ModuleError(module: module, reason: "modules are only loaded on the machine itself, not below a root")
        }
        try ModuleLoader.load(module)
    }

    package func rescan(_ path: String, for address: PCIAddress) throws(FileTreeError) {
        let override = KernelPath.driverOverride(address)
        var result = clinux_rescan()
        let error = unsafe clinux_rescan(
            tree.locate(path).string, tree.locate(override).string, KernelPath.vfioDriver, &result)
        guard error == 0 else { throw FileTreeError(.write, path, Errno(rawValue: error), value: "1") }
        guard result.rescan_errno == 0 else {
            throw FileTreeError(.write, path, Errno(rawValue: result.rescan_errno), value: "1")
        }
        guard result.override_errno == 0 else {
            throw FileTreeError(
                .write, override, Errno(rawValue: result.override_errno), value: KernelPath.vfioDriver)
        }
    }

    package func pause(milliseconds: Int32) {
        _ = poll(nil, 0, milliseconds)
    }

    package func prove(_ functions: [(address: PCIAddress, group: Int)]) throws(VFIOError) -> [RegionProof] {
        try Prover(tree: tree).prove(functions)
    }
}
