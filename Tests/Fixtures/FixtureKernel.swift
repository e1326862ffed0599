internal import Aperture
internal import KernelFiles
internal import Reclaim
internal import SystemPackage

/// Plays what the kernel does when one of its files is written: a machine, its files, and how both change.
package final class FixtureKernel {
    package private(set) var machine: Machine
    package let folder: TemporaryFolder
    private let files: MachineFiles
    private let tree: FileTree

    // MARK: - How it behaves

    /// How many pauses a held framebuffer outlives its unbind by; `nil` when nobody holds one.
    package var heldForPauses: Int?
    /// A native driver that takes the GPU on a rescan before the override is set.
    package var nativeWinsRescan: String?
    /// The native driver that the kernel finds for a GPU without an override.
    package var matchingDriver: String?
    /// Where the GPU's BARs lie after a rescan; in place without it.
    package var barsAfterRescan: [BAR]?
    /// The drivers that modules register, where they are called otherwise.
    package var driversOfModules: [String: String] = [:]

    // MARK: - What it remembers

    /// How many functions have been removed so far.
    private(set) var removals: UInt64 = 0
    private var removed: [Function] = []
    private var unloadedModules: [String: (module: KernelModule, bound: [String])] = [:]
    private var heldLines: [IomemEntry] = []
    private var nativeLines: [IomemEntry] = []

    init(_ parts: () -> [any Part]) throws {
        machine = Machine(parts)
        folder = try TemporaryFolder()
        files = MachineFiles(folder: folder)
        tree = FileTree(root: FilePath(folder.path))
        try files.write(machine)
    }

    /// The override that the file at this path holds.
    private func override(at path: String) throws -> String? {
        let text = try tree.textIfPresent(path)
        return text == "(null)" ? nil : text
    }

    /// What was removed does not come back.
    func forgetRemoved() { removed = [] }

    /// Whoever held a framebuffer closes it.
    func closeHeld() { remove(heldLines) }

    // MARK: - What happens to the machine

    /// A function comes up while the machine runs.
    package func appear(_ function: Function) throws {
        machine.functions.append(function)
        try files.write(function)
    }

    /// A framebuffer comes up while the machine runs.
    package func appear(_ framebuffer: FirmwareFramebuffer) throws {
        framebuffer.place(in: &machine)
        try files.write(framebuffer, among: machine.functions)
        try files.writeMemoryMap(machine)
    }

    /// Somebody else gives the function to a driver, or takes it from the one that it has.
    package func rebind(_ address: String, to driver: String?) throws {
        let index = try functionIndex(address)
        let link = "\(MachineFiles.home(of: machine.functions[index]))/driver"
        if folder.exists(link) { try folder.remove(link) }
        machine.functions[index].driver = driver
        guard let driver else { return }
        try files.writeDriver(driver)
        try folder.link(link, to: "\(KernelPath.pciDrivers)/\(driver)")
    }

    /// A process ends, and closes what it held.
    package func end(_ process: Int32) throws {
        machine.holders.removeAll { $0.pid == process }
        machine.processes.removeAll { $0.holder.pid == process }
        try folder.remove("/proc/\(process)")
    }

    /// A process begins.
    package func begin(_ process: Process) throws {
        process.place(in: &machine)
        try files.write(process)
        if let service = process.service { stopped[service] = nil }
    }

    // MARK: - Services

    private var stopped: [String: [Process]] = [:]

    /// Whether the service runs; one that no process belongs to does not.
    func isActive(_ unit: String) -> Bool {
        stopped[unit] == nil && machine.processes.contains { $0.service == unit }
    }

    /// The service's processes end, and those of the sessions that it has opened.
    /// - Parameter lingers: Whether they end later: ``endProcesses(of:)``.
    func stop(_ unit: String, lingers: Bool) throws {
        guard isActive(unit) else { return }
        stopped[unit] = machine.processes.filter { $0.service == unit }
        if !lingers { try endProcesses(of: unit) }
    }

    func endProcesses(of unit: String) throws {
        for process in stopped[unit] ?? [] where folder.exists("/proc/\(process.holder.pid)") {
            try end(process.holder.pid)
        }
        machine.processes.removeAll { $0.service == unit }
    }

    /// The same processes begin again, each with its node open if that is there.
    func start(_ unit: String) throws {
        for process in stopped.removeValue(forKey: unit) ?? [] where !folder.exists("/proc/\(process.holder.pid)") {
            process.place(in: &machine)
            try files.write(process)
        }
    }

    // MARK: - Modules

    func load(_ module: String) throws {
        if let unloaded = unloadedModules[module] { return try bringBack(unloaded) }
        let driver = NativeDriver.bouncing(named: module)?.driver ?? driversOfModules[module] ?? module
        try files.writeDriver(driver)
        if driversOfModules[module] != nil {
            try folder.makeFolder("\(KernelPath.modules)/\(module)/drivers/pci:\(driver)")
        }
    }

    /// As modprobe, which finds nothing wrong with one that is not loaded. A driver's module takes the driver along, and so
    /// it comes off its functions.
    func unload(_ name: String) throws {
        guard let module = machine.modules.first(where: { $0.name == name }) else { return }
        guard module.users == 0, !machine.modules.contains(where: module.isNeeded) else { throw Errno.resourceBusy }
        machine.modules.removeAll { $0.name == name }
        try folder.remove(KernelPath.module(name))
        try files.writeModules(machine.modules)
        let bound = machine.functions.filter { $0.driver == name }.map(\.address)
        for address in bound { try unbindFunction(address, from: name) }
        if folder.exists("\(KernelPath.pciDrivers)/\(name)") { try folder.remove("\(KernelPath.pciDrivers)/\(name)") }
        unloadedModules[name] = (module, bound)
        try files.writeMemoryMap(machine)
    }

    /// Its driver takes the functions again that are free.
    private func bringBack(_ unloaded: (module: KernelModule, bound: [String])) throws {
        let (module, bound) = unloaded
        guard !machine.modules.contains(where: { $0.name == module.name }) else { return }
        machine.modules.append(module)
        try files.writeModules(machine.modules)
        guard module.name == "nvidia" else { return }
        try files.writeDriver(module.name)
        for address in bound where machine.functions.contains(where: { $0.address == address && $0.driver == nil }) {
            guard try override(at: "\(KernelPath.pciDevices)/\(address)/driver_override") == nil else { continue }
            try bind(address, to: module.name)
        }
        try files.writeMemoryMap(machine)
    }

    // MARK: - Writes

    /// What a write to one of its files does.
    /// - Throws: ``Errno`` as the kernel gives it.
    func write(_ value: String, to path: String) throws {
        let parts = path.split(separator: "/").map(String.init)
        switch parts.last {
        // To clear it takes a newline.
        case "driver_override" where value.isEmpty: break
        case "driver_override":
            try folder.write(value == "\n" ? "(null)\n" : "\(value)\n", to: path)
        case "unbind" where path.hasPrefix(KernelPath.platformDrivers): try unbindFramebuffer(value)
        case "unbind": try unbindFunction(value, from: parts[parts.count - 2])
        case "bind" where path.hasPrefix(KernelPath.platformDrivers):
            try bindFramebuffer(value, to: parts[parts.count - 2])
        case "bind" where path.hasPrefix(KernelPath.consoles): try folder.write("\(value)\n", to: path)
        case "bind": try bind(value, to: parts[parts.count - 2])
        case "drivers_probe": try probe(value)
        case "remove": try remove(parts[parts.count - 2])
        case "rescan": try rescan()
        default: throw Errno.noSuchFileOrDirectory
        }
        try files.writeMemoryMap(machine)
    }

    /// The driver's entry goes, unless its node is held open; the device's own (BOOTFB) stays.
    private func unbindFramebuffer(_ name: String) throws {
        let link = "\(KernelPath.platformDevice(name))/driver"
        guard let framebuffer = machine.framebuffers.first(where: { $0.name == name }), folder.exists(link) else {
            throw Errno.noSuchDevice
        }
        try folder.remove(link)
        let entries = machine.lines.filter { $0.name == framebuffer.kind.entryName && $0.range == framebuffer.range }
        if heldForPauses == nil { remove(entries) } else { heldLines = entries }
    }

    private func bindFramebuffer(_ name: String, to driver: String) throws {
        let path = KernelPath.platformDevice(name)
        guard let framebuffer = machine.framebuffers.first(where: { $0.name == name }), folder.exists(path) else {
            throw Errno.noSuchDevice
        }
        guard try override(at: "\(path)/driver_override") == nil else { throw Errno.noSuchDevice }
        try folder.link(
            "\(MachineFiles.home(of: framebuffer, among: machine.functions))/driver",
            to: "\(KernelPath.platformDrivers)/\(driver)")
        if framebuffer.isListed, framebuffer.kind != .vga16fb {
            machine.lines.append(IomemEntry(range: framebuffer.range, name: framebuffer.kind.entryName))
        }
    }

    private func unbindFunction(_ address: String, from driver: String) throws {
        let index = try functionIndex(address)
        guard machine.functions[index].driver == driver else { throw Errno.noSuchDevice }
        machine.functions[index].driver = nil
        try folder.remove("\(MachineFiles.home(of: machine.functions[index]))/driver")
        try folder.remove("\(KernelPath.pciDrivers)/\(driver)/\(address)")
        nativeLines += machine.lines.filter { $0.name == driver }
        machine.lines.removeAll { $0.name == driver }
    }

    private func probe(_ address: String) throws {
        let override = try override(at: "/sys/bus/pci/devices/\(address)/driver_override")
        guard let driver = override ?? matchingDriver else { throw Errno.noSuchDevice }
        try bind(address, to: driver)
    }

    /// A driver that calls the aperture helper drops the platform devices whose range overlaps (6.0 and later): native
    /// drivers, and vfio-pci for class 0x0300.
    private func bind(_ address: String, to driver: String) throws {
        let index = try functionIndex(address)
        let override = try override(at: "/sys/bus/pci/devices/\(address)/driver_override")
        guard folder.exists("\(KernelPath.pciDrivers)/\(driver)"), override == nil || override == driver else {
            throw Errno.noSuchDevice
        }
        guard machine.functions[index].driver == nil else { throw Errno.resourceBusy }
        machine.functions[index].driver = driver
        machine.lines += nativeLines.filter { $0.name == driver }
        nativeLines.removeAll { $0.name == driver }
        try files.writeDriver(driver, of: machine.functions[index])
        let isModern = machine.kernel.flatMap(KernelRelease.init)?.isAtLeast(6, 0) == true
        if isModern, driver != "vfio-pci" || machine.functions[index].pciClass >> 8 == 0x0300 {
            try dropFramebuffers(over: machine.functions[index])
        }
    }

    /// From 6.4 to 6.10 `sysfb_disable()` is called for the boot VGA device alone: for another one the helper finds the
    /// framebuffers that have a driver.
    private func dropFramebuffers(over function: Function) throws {
        let bars = function.bars
        let kernel = machine.kernel.flatMap(KernelRelease.init)
        let findsUnbound =
            kernel.map { !$0.isAtLeast(6, 4) || $0.isAtLeast(6, 11) } == true || function.bootVGA == true
        let dropped = machine.framebuffers.filter { framebuffer in
            let isBound = folder.exists("\(KernelPath.platformDevice(framebuffer.name))/driver")
            return (isBound || findsUnbound) && bars.contains { $0.range.overlaps(framebuffer.range) }
        }
        for framebuffer in dropped {
            let home = MachineFiles.home(of: framebuffer, among: machine.functions)
            try folder.remove("\(KernelPath.platformDevices)/\(framebuffer.name)")
            try folder.remove(home)
            machine.lines.removeAll {
                $0.range == framebuffer.range
                    && ($0.name == framebuffer.kind.residue || $0.name == framebuffer.kind.entryName)
            }
        }
        machine.framebuffers.removeAll { framebuffer in dropped.contains { $0.name == framebuffer.name } }
    }

    /// `release_resource()` of a BAR takes along whatever stands below it.
    private func remove(_ address: String) throws {
        let index = try functionIndex(address)
        removals += 1
        let function = machine.functions.remove(at: index)
        removed.append(function)
        machine.lines.removeAll { line in
            line.name == address
                || function.bars.contains { bar in
                    bar.range.contains(line.range) && !line.name.hasPrefix("PCI Bus")
                }
        }
        try folder.remove("/sys/bus/pci/devices/\(address)")
        if let driver = function.driver { try folder.remove("\(KernelPath.pciDrivers)/\(driver)/\(address)") }
        if let group = function.group { try folder.remove("\(KernelPath.iommuGroups)/\(group)/devices/\(address)") }
        try folder.remove(MachineFiles.home(of: function))
        for framebuffer in machine.framebuffers where framebuffer.parent == address {
            try? folder.remove("\(KernelPath.platformDevices)/\(framebuffer.name)")
        }
        machine.framebuffers.removeAll { $0.parent == address }
    }

    private func rescan() throws {
        for var function in removed {
            function.driver = nil
            function.override = nil
            if let bars = barsAfterRescan, function.pciClass >> 16 == 0x03 { function.bars = bars }
            machine.functions.append(function)
            machine.lines += function.bars.map { IomemEntry(range: $0.range, name: function.address) }
            try files.write(function)
            if let native = nativeWinsRescan {
                try files.writeDriver(native)
                try bind(function.address, to: native)
            }
        }
        removed = []
    }

    private func remove(_ entries: [IomemEntry]) {
        machine.lines.removeAll { entries.contains($0) }
        heldLines.removeAll { entries.contains($0) }
        try? files.writeMemoryMap(machine)
    }

    private func functionIndex(_ address: String) throws -> Int {
        guard let index = machine.functions.firstIndex(where: { $0.address == address }) else {
            throw Errno.noSuchDevice
        }
        return index
    }
}
