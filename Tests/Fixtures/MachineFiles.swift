import Aperture

/// Writes a machine as the kernel's files, in sysfs's shape with its relative links.
struct MachineFiles {
    let folder: TemporaryFolder

    func write(_ machine: Machine) throws {
        for name in ["/sys/bus/pci/devices", "/sys/bus/pci/drivers", "/sys/bus/platform/devices", "/dev", "/proc"] {
            try folder.makeFolder(name)
        }
        try folder.write("", to: KernelPath.driversProbe)
        if let kernel = machine.kernel { try folder.write("\(kernel)\n", to: KernelPath.osRelease) }
        switch machine.vfio {
        case .registered: try writeDriver("vfio-pci")
        case .loadable:
            try folder.write(
                "kernel/drivers/vfio/pci/vfio-pci.ko: kernel/drivers/vfio/vfio.ko\n",
                to: "/lib/modules/\(machine.kernel ?? "")/modules.dep")
        case .missing: break
        }
        for driver in machine.drivers { try writeDriver(driver) }
        try writeModules(machine.modules)
        for function in machine.functions { try write(function) }
        try writeVirtualFunctions(machine.functions)
        for framebuffer in machine.framebuffers { try write(framebuffer, among: machine.functions) }
        for console in machine.consoles { try write(console) }
        for node in machine.nodes {
            try folder.makeFolder(node.folder)
            try folder.write("", to: node.path)
        }
        for process in machine.processes { try write(process) }
        for address in machine.reserved {
            try folder.write("E:APERTURED_OVERRIDE=vfio-pci\n", to: "/run/udev/data/+pci:\(address)")
        }
        if let bytes = machine.bootParameters { try folder.write(bytes, to: KernelPath.bootParameters) }
        try writeMemoryMap(machine)
    }

    func writeMemoryMap(_ machine: Machine) throws {
        try folder.write(machine.memoryMap, to: KernelPath.iomem)
    }

    /// - Parameter modules: Those that are loaded.
    func writeModules(_ modules: [KernelModule]) throws {
        for module in modules {
            let path = KernelPath.module(module.name)
            let dependents = modules.filter(module.isNeeded)
            if folder.exists(path) { try folder.remove(path) }
            try folder.write("\(module.users + dependents.count)\n", to: "\(path)/refcnt")
            for dependent in dependents { try folder.makeFolder("\(path)/holders/\(dependent.name)") }
            for (name, value) in module.parameters { try folder.write("\(value)\n", to: "\(path)/parameters/\(name)") }
        }
    }

    func writeDriver(_ name: String) throws {
        try folder.write("", to: KernelPath.bind(driver: name))
        try folder.write("", to: KernelPath.unbind(driver: name))
    }

    // MARK: - PCI

    /// Where sysfs keeps the function itself.
    static func home(of function: Function) -> String {
        "/sys/devices/pci0000:00/" + (function.below.map { "\($0)/" } ?? "") + function.address
    }

    func write(_ function: Function) throws {
        let home = Self.home(of: function)
        try folder.write("0x\(Hex(function.pciClass, digits: 6, prefix: ""))\n", to: "\(home)/class")
        try folder.write("0x\(Hex(function.vendor, digits: 4, prefix: ""))\n", to: "\(home)/vendor")
        try folder.write("0x\(Hex(function.device, digits: 4, prefix: ""))\n", to: "\(home)/device")
        try folder.write("\(function.override ?? "(null)")\n", to: "\(home)/driver_override")
        try folder.write(Self.resources(function.bars), to: "\(home)/resource")
        try folder.write("", to: "\(home)/remove")
        if function.isBridge { try folder.write("1\n", to: "\(home)/secondary_bus_number") }
        if let name = function.vfioDevice { try folder.makeFolder("\(home)/vfio-dev/\(name)") }
        if let bytes = function.configuration { try folder.write(bytes, to: "\(home)/config") }
        if let subsystem = function.subsystem {
            try folder.write("0x\(Hex(subsystem.vendor, digits: 4, prefix: ""))\n", to: "\(home)/subsystem_vendor")
            try folder.write("0x\(Hex(subsystem.device, digits: 4, prefix: ""))\n", to: "\(home)/subsystem_device")
        }
        if let bootVGA = function.bootVGA { try folder.write(bootVGA ? "1\n" : "0\n", to: "\(home)/boot_vga") }
        try folder.link("/sys/bus/pci/devices/\(function.address)", to: home)
        if let driver = function.driver { try writeDriver(driver, of: function) }
        if let group = function.group {
            let path = "\(KernelPath.iommuGroups)/\(group)"
            try folder.makeFolder("\(path)/devices")
            try folder.link("\(home)/iommu_group", to: path)
            try folder.link("\(path)/devices/\(function.address)", to: home)
            try folder.write("", to: "/dev/vfio/\(group)")
        }
        if let address = PCIAddress(function.address) { try folder.write("", to: KernelPath.busRescan(address)) }
    }

    /// Each virtual function and its physical one know each other.
    private func writeVirtualFunctions(_ functions: [Function]) throws {
        var counts: [String: Int] = [:]
        for function in functions {
            guard let owner = functions.first(where: { $0.address == function.physicalFunction }) else { continue }
            let number = counts[owner.address, default: 0]
            try folder.link("\(Self.home(of: function))/physfn", to: Self.home(of: owner))
            try folder.link("\(Self.home(of: owner))/virtfn\(number)", to: Self.home(of: function))
            counts[owner.address] = number + 1
        }
        for owner in functions {
            guard let count = counts[owner.address] else { continue }
            try folder.write("\(count)\n", to: "\(Self.home(of: owner))/sriov_numvfs")
        }
    }

    /// Binds the function, both ways.
    func writeDriver(_ driver: String, of function: Function) throws {
        let home = Self.home(of: function)
        try folder.link("\(home)/driver", to: "\(KernelPath.pciDrivers)/\(driver)")
        try folder.link("\(KernelPath.pciDrivers)/\(driver)/\(function.address)", to: home)
    }

    /// sysfs `resource`: six BARs, the ROM, and the rows that nobody here reads.
    static func resources(_ bars: [BAR]) -> String {
        (0..<13).map { index in
            let bar = bars.first { $0.index == index }
            let row: [UInt64] = bar.map { [$0.range.start, $0.range.last, $0.flags] } ?? [0, 0, 0]
            return row.map { "\(Hex($0, digits: 16))" }.joined(separator: " ") + "\n"
        }.joined()
    }

    // MARK: - Framebuffers and consoles

    /// The platform device's own folder: below the PCI parent since 6.9.
    static func home(of framebuffer: FirmwareFramebuffer, among functions: [Function]) -> String {
        let parent = functions.first { $0.address == framebuffer.parent }
        return (parent.map(home) ?? "/sys/devices/platform") + "/\(framebuffer.name)"
    }

    func write(_ framebuffer: FirmwareFramebuffer, among functions: [Function]) throws {
        let home = Self.home(of: framebuffer, among: functions)
        try folder.write("\(framebuffer.override ?? "(null)")\n", to: "\(home)/driver_override")
        try folder.link("\(KernelPath.platformDevices)/\(framebuffer.name)", to: home)
        try folder.write("", to: KernelPath.unbind(platformDriver: framebuffer.kind.driver))
        if framebuffer.isBound {
            try folder.link("\(home)/driver", to: "\(KernelPath.platformDrivers)/\(framebuffer.kind.driver)")
            try folder.makeFolder("/sys/class/graphics/fb\(framebuffer.instance)")
            try folder.link("/sys/class/graphics/fb\(framebuffer.instance)/device", to: home)
        }
    }

    private func write(_ console: VirtualConsole) throws {
        let path = "\(KernelPath.consoles)/vtcon\(console.number)"
        try folder.write("\(console.name)\n", to: "\(path)/name")
        try folder.write(console.isBound == true ? "1\n" : "0\n", to: "\(path)/bind")
    }

    func write(_ process: Process) throws {
        let holder = process.holder
        try folder.write("\(holder.command)\n", to: "/proc/\(holder.pid)/comm")
        try folder.makeFolder("/proc/\(holder.pid)/fd")
        // An absolute link, as procfs shows it.
        try folder.symlink("/proc/\(holder.pid)/fd/7", destination: holder.node)
        if let group = process.group { try folder.write("0::\(group)\n", to: "/proc/\(holder.pid)/cgroup") }
        if let parent = process.parent {
            try folder.write("Name:\t\(holder.command)\nPPid:\t\(parent)\n", to: "/proc/\(holder.pid)/status")
        }
    }
}
