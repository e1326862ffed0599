import Aperture
import Fixtures
import Foundation
import KernelFiles
import Reclaim
import SystemPackage
import Testing
import VFIO

// The limit counts from when the test is queued, and the matrices keep both processors busy for a while.
@Suite("Machine host", .timeLimit(.minutes(10)))
struct MachineHostTests {
    private let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
    }

    private func host(deadline: Int32 = 5000) -> MachineHost {
        MachineHost(tree: FileTree(root: FilePath(folder.path)), writeDeadline: deadline, lockDeadline: deadline)
    }

    @Test("A write needs a file that is there, and never makes one")
    func writing() throws {
        #expect(throws: FileTreeError(.write, "/sys/unbind", .noSuchFileOrDirectory, value: "x")) {
            try host().write("x", to: "/sys/unbind")
        }
        #expect(!folder.exists("/sys/unbind"))
        try folder.write("(null)\n", to: "/sys/unbind")
        try host().write("x", to: "/sys/unbind")
        #expect(try folder.text("/sys/unbind") == "x")
    }

    @Test("The kernel's errno comes back from the process that wrote")
    func errno() throws {
        // The kernel's own file, below a root that holds some: it takes numbers alone.
        let host = MachineHost(tree: FileTree(root: "/proc/self"))
        #expect(throws: FileTreeError(.write, "/oom_score_adj", .invalidArgument, value: "x")) {
            try host.write("x", to: "/oom_score_adj")
        }
    }

    @Test("No write and no deadline read follows a link out of the root", arguments: Escape.all)
    func escapes(_ escape: Escape) throws {
        let address = try #require(PCIAddress("0000:01:00.0"))
        let override = KernelPath.driverOverride(address)
        let outside = try escape.plant(override, in: folder)
        let before = try outside.contents()
        #expect(throws: FileTreeError.self) { try host().write("vfio-pci", to: override) }
        try folder.write("", to: "/sys/class/pci_bus/0000:01/rescan")
        do {
            try host().rescan("/sys/class/pci_bus/0000:01/rescan", for: address, override: "vfio-pci")
        } catch {
            // Otherwise it waits in vain for the function to appear.
            #expect(error.errno == .tooManySymbolicLinkLevels)
        }
        #expect(throws: FileTreeError.self) { try host().rescan(override, for: address, override: "vfio-pci") }
        #expect((try? host().attribute(override)) != "outside")
        if escape.part != .attribute { #expect(host().identity(ofDevice: KernelPath.device(address)) == nil) }
        #expect(try outside.contents() == before)
    }

    @Test("An attribute that is a link is not written, wherever it leads")
    func linkWithin() throws {
        try folder.write("precious\n", to: "/sys/other")
        try folder.symlink("/sys/driver_override", destination: "other")
        #expect(throws: FileTreeError(.write, "/sys/driver_override", .tooManySymbolicLinkLevels, value: "x")) {
            try host().write("x", to: "/sys/driver_override")
        }
        #expect(throws: FileTreeError(.read, "/sys/driver_override", .tooManySymbolicLinkLevels)) {
            try host().attribute("/sys/driver_override")
        }
        #expect(try folder.text("/sys/other") == "precious\n")
    }

    @Test("VFIO is not opened through a link out of the root")
    func proof() throws {
        let outside = try TemporaryFolder()
        try outside.write("", to: "/vfio")
        try folder.makeFolder("/dev")
        try folder.symlink("/dev/vfio", destination: outside.path)
        let address = try #require(PCIAddress("0000:01:00.0"))
        let target = ProofTarget(address: address, group: 1, bars: [:])
        let error = #expect(throws: VFIOError.self) { _ = try host().prove([target]) }
        #expect(error?.errno == .noSuchFileOrDirectory)
    }

    @Test("A write that does not come back is given up, and its process named")
    func stuck() throws {
        // Opening a FIFO for writing waits for a reader, as an unbind waits for a driver.
        #expect(makeFIFO(folder.path + "/stuck"))
        let error = #expect(throws: FileTreeError.self) { try host(deadline: 200).write("x", to: "/stuck") }
        #expect(error?.errno == .timedOut)
        let process = try #require(error?.stuckProcess)
        #expect(error?.description.contains("pid \(process)") == true)
        #expect(host().startTime(ofProcess: process) ?? 0 > 0)
        // A reader lets it go, and it ends by itself.
        let reader = try FileDescriptor.open(FilePath(folder.path + "/stuck"), .readOnly)
        defer { try? reader.close() }
        #expect(waitForEnd(of: process))
        #expect(host().startTime(ofProcess: process) == nil)
    }

    @Test(
        "What is read back under a lock that is held is given up as well",
        arguments: [KernelPath.consoleBind(1), "/sys/bus/pci/devices/0000:01:00.0/driver_override"])
    func stuckReadBack(_ path: String) throws {
        try folder.write("", to: path)
        #expect(try host(deadline: 200).attribute(path) == nil)
        try folder.remove(path)
        #expect(makeFIFO(folder.path + path))
        let error = #expect(throws: FileTreeError.self) { try host(deadline: 200).attribute(path) }
        #expect(error?.errno == .timedOut)
        #expect(error?.stuckProcess == nil)
    }

    @Test("A rescan gives the function its override as it appears, and says nothing of one that does not come back")
    func rescan() throws {
        let address = try #require(PCIAddress("0000:01:00.0"))
        try folder.write("", to: "/sys/class/pci_bus/0000:01/rescan")
        try host().rescan("/sys/class/pci_bus/0000:01/rescan", for: address, override: "vfio-pci")
        #expect(try folder.text("/sys/class/pci_bus/0000:01/rescan") == "1")
        try folder.write("(null)\n", to: "/sys/bus/pci/devices/0000:01:00.0/driver_override")
        try host().rescan("/sys/class/pci_bus/0000:01/rescan", for: address, override: "vfio-pci")
        #expect(try folder.text("/sys/bus/pci/devices/0000:01:00.0/driver_override") == "vfio-pci")
    }
}

@Suite("Module loader", .timeLimit(.minutes(10)))
struct ModuleLoaderTests {
    @Test("A module that loads, one that does not, and a loader that is not there")
    func ends() throws {
        try ModuleLoader(program: "/bin/true", deadline: 5000).load("x")
        let error = #expect(throws: ModuleError.self) {
            try ModuleLoader(program: "/bin/false", deadline: 5000).load("x")
        }
        #expect(error?.description == "cannot load module x: /bin/false ended with status 1")
        #expect(throws: ModuleError.self) { try ModuleLoader(program: "/nowhere", deadline: 5000).load("x") }
    }

    @Test("In a container the modules are the host's")
    func root() throws {
        let folder = try TemporaryFolder()
        try folder.write("#!/bin/sh\necho \"$@\" >\(folder.path)/words\n", to: "/modprobe")
        try FileManager.default.setAttributes(
            [.posixPermissions: 0o755], ofItemAtPath: "\(folder.path)/modprobe")
        let program = "\(folder.path)/modprobe"
        try ModuleLoader(program: program, deadline: 5000).load("vfio-pci")
        #expect(try folder.text("/words") == "-- vfio-pci\n")
        try ModuleLoader(program: program, root: "/host", deadline: 5000).load("vfio-pci")
        #expect(try folder.text("/words") == "-d /host -- vfio-pci\n")
    }

    @Test("Only a root with this kernel's own sys and proc is the kernel's")
    func kernel() throws {
        #expect(FileTree().isOfKernel)
        let folder = try TemporaryFolder()
        try folder.makeFolder("/sys")
        try folder.makeFolder("/proc")
        #expect(!FileTree(root: FilePath(folder.path)).isOfKernel)
    }

    @Test("A module is unloaded without modprobe, and one that cannot be is told as such")
    func unloading() throws {
        // The kernel has no module of a name that long (MODULE_NAME_LEN), and says so or that it may not be asked.
        do throws(ModuleError) {
            try ModuleLoader(program: "/nowhere", deadline: 5000).unload(String(repeating: "x", count: 100))
        } catch {
            #expect(error.isUnloading && error.stuckProcess == nil)
            #expect(!error.description.contains("/nowhere"))
        }
        let below = #expect(throws: ModuleError.self) {
            try MachineHost(tree: FileTree(root: FilePath(TemporaryFolder().path))).unload(module: "nvidia")
        }
        #expect(below?.description.contains("cannot unload module nvidia") == true)
    }

    @Test("A loader that does not come back is ended at its deadline")
    func deadline() throws {
        // Its argument is how long it takes.
        let error = #expect(throws: ModuleError.self) {
            try ModuleLoader(program: "/bin/sleep", deadline: 200).load("60")
        }
        #expect(error?.description.contains("was killed") == true)
        #expect(error?.stuckProcess == nil)
    }
}
