package import Aperture

/// The facts of a fixture machine, as a value; `FixtureHost` makes files of it.
package struct Machine {
    package var kernel: String? = "6.12.0-fixture"
    package var functions: [Function] = []
    package var framebuffers: [FirmwareFramebuffer] = []
    package var consoles: [VirtualConsole] = []
    /// /proc/iomem, in no order.
    package var lines: [IomemEntry] = []
    package var drivers: Set<String> = []
    package var bootParameters: [UInt8]?
    package var vfio = Snapshot.VFIODriver.registered
    package var holders: [Holder] = []
    /// The processes, with what they belong to.
    package var processes: [Process] = []
    package var modules: [KernelModule] = []
    package var isMasked = false
    /// The nodes of cards, each with its folder in sysfs.
    package var nodes: [(path: String, folder: String)] = []
    /// The functions that the udev rule has reserved.
    package var reserved: [String] = []

    package init(@MachineBuilder _ parts: () -> [any Part]) {
        // Bridge windows first: equal ranges nest in the order of their lines.
        lines = [
            IomemEntry(range: AddressRange(start: 0x4000_0000, last: 0xfebf_ffff) ?? .all, name: "PCI Bus 0000:00"),
            IomemEntry(
                range: AddressRange(start: 0x1_0000_0000, last: 0xff_ffff_ffff) ?? .all, name: "PCI Bus 0000:00"),
        ]
        let parts = parts()
        // Framebuffers last, for the same reason: an entry stands below its BAR.
        for part in parts where !(part is FirmwareFramebuffer) { part.place(in: &self) }
        for part in parts where part is FirmwareFramebuffer { part.place(in: &self) }
    }

    /// /proc/iomem's text, indented by containment.
    package var memoryMap: String {
        let ordered = lines.enumerated().sorted {
            $0.element.range != $1.element.range ? $0.element.range < $1.element.range : $0.offset < $1.offset
        }.map(\.element)
        var text = ""
        var around: [AddressRange] = []
        for line in ordered {
            while let last = around.last, !last.contains(line.range) { around.removeLast() }
            let (start, last) = isMasked ? (0, 0) : (line.range.start, line.range.last)
            let indent = String(repeating: "  ", count: around.count)
            text += "\(indent)\(Hex(start, digits: 8, prefix: ""))-\(Hex(last, digits: 8, prefix: "")) : \(line.name)\n"
            around.append(line.range)
        }
        return text
    }
}

@resultBuilder
package enum MachineBuilder {
    package static func buildExpression(_ part: any Part) -> [any Part] { [part] }
    package static func buildExpression(_ parts: [any Part]) -> [any Part] { parts }
    package static func buildBlock(_ parts: [any Part]...) -> [any Part] { parts.flatMap(\.self) }
    package static func buildOptional(_ parts: [any Part]?) -> [any Part] { parts ?? [] }
}
