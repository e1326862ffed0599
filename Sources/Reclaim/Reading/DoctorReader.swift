package import Aperture
package import KernelFiles

/// Reads what a diagnosis needs to know beside the snapshot. It opens nothing for writing, wakes no card that sleeps, and
/// fails nowhere: what could not be read is unknown, with the reason.
package struct DoctorReader {
    /// The size in bytes above which a file that people write is not read.
    private static let largestFile = 1 << 20
    /// How many files of one folder are read.
    private static let mostFiles = 512

    private let tree: FileTree
    private let reader: DeadlineReader

    /// - Parameters:
    ///   - deadline: How long the reads that need a card's power may take together, in milliseconds. `nil` only for a tree
    ///     in which no read can hang.
    ///   - tick: Called several times a second while something hangs; returns false to stop waiting.
    package init(
        tree: FileTree, deadline: Int32? = SnapshotReader.standardDeadline, tick: @escaping () -> Bool = { true }
    ) {
        self.tree = tree
        reader = DeadlineReader(tree: tree, deadline: deadline, tick: tick)
    }

    /// Reads the facts of the machine and of the snapshot's functions.
    package func read(for snapshot: Snapshot) -> HostFacts {
        var facts = HostFacts()
        facts.commandLine = fact { () throws(FileTreeError) in KernelCommandLine(try tree.text("/proc/cmdline")) }
        facts.processor = fact { () throws(FileTreeError) in ProcessorFacts(cpuinfo: try firstProcessor()) }
        facts.iommus = fact(iommus)
        facts.firmwareTables = fact { () throws(FileTreeError) in
            Set(try tree.listIfPresent("/sys/firmware/acpi/tables"))
        }
        facts.isIntelIOMMUOnByDefault = intelDefault(snapshot.kernel)
        facts.interrupts = fact(interrupts)
        facts.allowsUnsafeInterrupts = fact { () throws(FileTreeError) in
            try tree.textIfPresent("\(KernelPath.module("vfio_iommu_type1"))/parameters/allow_unsafe_interrupts")
                .map { $0 == "Y" }
        }
        facts.moduleLines = fact(moduleLines)
        facts.initramfsModules = fact(initramfsModules)
        facts.driverctl = fact(savedOverrides)
        facts.libvirt = fact(libvirtDevices)
        facts.links = fact(links)
        facts.isUnitInstalled = .known(
            ["/etc", "/run", "/usr/local/lib", "/usr/lib", "/lib"].contains {
                tree.exists("\($0)/systemd/system/apertured@.service")
            })
        facts.presentFunctions = fact { () throws(FileTreeError) in
            Set(try tree.list(KernelPath.pciDevices).compactMap { PCIAddress($0) })
        }
        facts.memoryLocks = fact(memoryLocks)
        facts.details = details(of: snapshot.functions.map(\.address), in: snapshot)
        return facts
    }

    private func fact<Value>(_ read: () throws(FileTreeError) -> Value) -> Fact<Value> {
        do throws(FileTreeError) {
            return .known(try read())
        } catch {
            return .unknown(error.description)
        }
    }

    // MARK: - The machine

    /// The lines of /proc/cpuinfo up to the first blank one: the rest is the other processors.
    private func firstProcessor() throws(FileTreeError) -> String {
        var lines: [String] = []
        var isOver = false
        try tree.forEachLine("/proc/cpuinfo") { line in
            if line.isEmpty { isOver = true }
            if !isOver { lines.append(String(decoding: line, as: UTF8.self)) }
        }
        return lines.joined(separator: "\n")
    }

    private func iommus() throws(FileTreeError) -> [IOMMUUnit] {
        let folder = "/sys/class/iommu"
        var units: [IOMMUUnit] = []
        for name in try tree.listIfPresent(folder) {
            var unit = IOMMUUnit(name: name)
            unit.capability = try register("\(folder)/\(name)/intel-iommu/cap")
            unit.extendedCapability = try register("\(folder)/\(name)/intel-iommu/ecap")
            units.append(unit)
        }
        return units
    }

    private func register(_ path: String) throws(FileTreeError) -> UInt64? {
        try tree.textIfPresent(path).flatMap { UInt64($0, radix: 16) }
    }

    private func intelDefault(_ kernel: KernelRelease?) -> Fact<Bool> {
        guard let kernel else { return .unknown("the kernel's version is not known") }
        let path = "/boot/config-\(kernel.text)"
        guard tree.exists(path) else { return .unknown("there is no \(path)") }
        return fact { () throws(FileTreeError) in
            try text(path).split(separator: "\n").contains("CONFIG_INTEL_IOMMU_DEFAULT_ON=y")
        }
    }

    private func interrupts() throws(FileTreeError) -> InterruptControllers {
        var found = InterruptControllers()
        // The lines behind the counts of all processors can be long, and there can be many: each is dropped at once.
        try tree.forEachLine("/proc/interrupts") { found.read(line: $0) }
        return found
    }

    // MARK: - Files that people write

    private func text(_ path: String) throws(FileTreeError) -> String {
        String(decoding: try tree.regularBytes(path, atMost: Self.largestFile), as: UTF8.self)
    }

    /// The texts of the files of a folder that have this ending; none when there is no such folder.
    private func texts(in folder: String, ending: String) throws(FileTreeError) -> [(path: String, text: String)] {
        var found: [(path: String, text: String)] = []
        let names = try tree.listIfPresent(folder).filter { $0.hasSuffix(ending) && !$0.hasPrefix(".") }
        for name in names.prefix(Self.mostFiles) {
            let path = "\(folder)/\(name)"
            // A link to /dev/null masks a file of the same name.
            if try tree.linkTarget(path) == "/dev/null" { continue }
            do throws(FileTreeError) {
                found.append((path, try text(path)))
            } catch  where error.isAbsence {
                continue
            }
        }
        return found
    }

    /// The text of one file; none when there is no such file.
    private func texts(of path: String) throws(FileTreeError) -> [(path: String, text: String)] {
        do throws(FileTreeError) {
            return [(path, try text(path))]
        } catch  where error.isAbsence {
            return []
        }
    }

    /// The folders of modprobe.d(5), in the order of precedence: of two files of one name the first counts.
    private func moduleLines() throws(FileTreeError) -> [ModuleLine] {
        var seen: Set<String> = []
        var lines: [ModuleLine] = []
        for parent in ["/etc", "/run", "/usr/local/lib", "/usr/lib", "/lib"] {
            let folder = "\(parent)/modprobe.d"
            for file in try texts(in: folder, ending: ".conf") {
                let name = String(file.path.dropFirst(folder.count))
                guard seen.insert(name).inserted else { continue }
                lines += ModuleLine.parse(file.text, path: file.path)
            }
        }
        return lines
    }

    /// What initramfs-tools, dracut and mkinitcpio are told to include.
    private func initramfsModules() throws(FileTreeError) -> [ModuleMention] {
        var files = try texts(of: "/etc/initramfs-tools/modules")
        files += try texts(of: "/etc/dracut.conf") + texts(in: "/etc/dracut.conf.d", ending: ".conf")
        files += try texts(of: "/etc/mkinitcpio.conf") + texts(in: "/etc/mkinitcpio.conf.d", ending: ".conf")
        return files.flatMap { ModuleMention.parse($0.text, path: $0.path) }
    }

    private func savedOverrides() throws(FileTreeError) -> [SavedOverride] {
        try texts(in: "/etc/driverctl.d", ending: "").compactMap { file in
            let name = file.path.split(separator: "/").last.map(String.init) ?? ""
            guard let address = SavedOverride.address(ofFile: name) else { return nil }
            let driver = file.text.split(whereSeparator: \.isWhitespace).first.map(String.init) ?? "(none)"
            return SavedOverride(address: address, driver: driver, path: file.path)
        }
    }

    private func libvirtDevices() throws(FileTreeError) -> [LibvirtDevice] {
        try texts(in: "/etc/libvirt/qemu", ending: ".xml").flatMap { LibvirtDevice.scan($0.text, path: $0.path) }
    }

    private func memoryLocks() throws(FileTreeError) -> [MemoryLock] {
        var files = try texts(of: "/etc/security/limits.conf") + texts(in: "/etc/security/limits.d", ending: ".conf")
        files += try texts(of: "/etc/systemd/system.conf") + texts(in: "/etc/systemd/system.conf.d", ending: ".conf")
        return files.flatMap { MemoryLock.parse($0.text, path: $0.path) }
    }

    private func links() throws(FileTreeError) -> [EnablementLink] {
        var links: [EnablementLink] = []
        for parent in EnablementLink.folders {
            let folders = try tree.listIfPresent(parent).filter { $0.hasSuffix(".wants") || $0.hasSuffix(".requires") }
            for folder in folders.prefix(Self.mostFiles) {
                for name in try tree.listIfPresent("\(parent)/\(folder)") {
                    guard let instance = EnablementLink.instance(ofUnit: name) else { continue }
                    links.append(EnablementLink(path: "\(parent)/\(folder)/\(name)", instance: instance))
                }
            }
        }
        return links
    }

    // MARK: - The functions

    private func details(of addresses: [PCIAddress], in snapshot: Snapshot) -> [PCIAddress: FunctionDetail] {
        var details: [PCIAddress: FunctionDetail] = [:]
        var questions: [PCIAddress: [Int]] = [:]
        let pci = PCIReader(tree: tree, scope: .all)
        for address in addresses {
            let path = KernelPath.device(address)
            var detail = FunctionDetail()
            do throws(FileTreeError) {
                detail.power = try pci.power(of: address)
                detail.mayLosePower = try tree.textIfPresent("\(path)/d3cold_allowed").map { $0 != "0" }
                detail.resetMethods = try tree.textIfPresent("\(path)/reset_method")
                    .map { $0.split(separator: " ").map(String.init) }
            } catch {
                // The finding says that the card's details were not read.
                continue
            }
            detail.canBeReset = tree.exists("\(path)/reset")
            detail.romSize = tree.size("\(path)/rom")
            let resizable = (0..<6).filter { tree.exists("\(path)/resource\($0)_resize") }
            if detail.power.isAsleep, !resizable.isEmpty {
                detail.resizingUnknown = "the card sleeps, and was not woken"
            } else if !resizable.isEmpty {
                questions[address] = resizable
            }
            details[address] = detail
        }
        ask(questions, &details)
        return details
    }

    private func ask(_ questions: [PCIAddress: [Int]], _ details: inout [PCIAddress: FunctionDetail]) {
        let asked = questions.flatMap { address, bars in bars.map { Question.barSizes(address, $0) } }
        let answers = Result { () throws(FileTreeError) in try reader.ask(asked) }
        for (address, bars) in questions {
            for bar in bars {
                do throws(FileTreeError) {
                    let text = try answers.get().text(.barSizes(address, bar), isRequired: true) ?? ""
                    if let sizes = UInt64(text, radix: 16) {
                        details[address]?.resizing[bar] = sizes
                    } else {
                        details[address]?.resizingUnknown = "resource\(bar)_resize reads '\(text)'"
                    }
                } catch {
                    details[address]?.resizingUnknown = error.description
                }
            }
        }
    }
}
