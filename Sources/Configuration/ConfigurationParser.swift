internal import Aperture

/// Parses configuration files in the syntax of systemd.syntax(7) without continued lines: `[Section]`, `Key=Value`, and
/// comments that begin with `#` or `;`. White space around a key or a value is ignored. Sections and keys that begin
/// with `X-` belong to other programs.
///
/// Parsing never fails: a line that is not understood gives a warning. A bad line never allows more than was meant. A
/// bad value counts as the most restrictive one. A bad line about which card is meant makes its section flawed
/// (``GPUSection/flaw``); such a line before all sections makes a flawed section of its own.
package struct ConfigurationParser {
    /// The sections so far, in the order of their files.
    package private(set) var sections: [GPUSection] = []
    /// What the sections `[Metrics]` say so far.
    package private(set) var metrics = MetricsSection()
    /// The warnings so far, in the order of their lines.
    package private(set) var warnings: [ConfigurationWarning] = []

    private enum Context {
        case outside
        case gpu(keys: Set<String>)
        case metrics
        /// A section that is not apertured's.
        case ignored
    }

    private var context = Context.outside

    /// A parser that has read no file yet.
    package init() {}

    /// Parses the next file and appends its sections.
    package mutating func read(_ file: ConfigurationFile) {
        context = .outside
        // Some editors begin a file with a byte order mark.
        var text = file.text
        if text.unicodeScalars.first == "\u{feff}" { text.unicodeScalars.removeFirst() }
        let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
        for (index, line) in lines.enumerated() {
            let line = Self.trim(line)
            let place = ConfigurationPlace(file: file.path, line: index + 1)
            if line.isEmpty || line.hasPrefix("#") || line.hasPrefix(";") { continue }
            if line.hasPrefix("["), line.hasSuffix("]") {
                begin(line.dropFirst().dropLast(), place)
            } else {
                assign(line, place)
            }
        }
    }

    private mutating func begin(_ name: Substring, _ place: ConfigurationPlace) {
        if name == "GPU" {
            context = .gpu(keys: [])
            sections.append(GPUSection(at: place))
            return
        }
        if name == "Metrics" {
            context = .metrics
            return
        }
        context = .ignored
        if !name.hasPrefix("X-") {
            warnings.append(ConfigurationWarning(place, "unknown section [\(name)], ignored"))
        }
    }

    private mutating func assign(_ line: Substring, _ place: ConfigurationPlace) {
        switch context {
        case .ignored:
            return
        case .metrics:
            guard let equals = line.firstIndex(of: "=") else {
                return warn(place, "'\(line)' is neither a section nor Key=Value, ignored")
            }
            let (key, value) = (String(Self.trim(line[..<equals])), Self.trim(line[equals...].dropFirst()))
            if let message = metrics.set(key, to: value) { warn(place, message) }
        case .outside:
            sections.append(GPUSection(at: place))
            context = .gpu(keys: [])
            flaw(place, "'\(line)' is in no section")
        case .gpu(var keys):
            guard let equals = line.firstIndex(of: "=") else {
                return flaw(place, "'\(line)' is neither a section nor Key=Value")
            }
            let key = String(Self.trim(line[..<equals]))
            let isRepeated = !keys.insert(key).inserted
            context = .gpu(keys: keys)
            set(key, to: Self.trim(line[equals...].dropFirst()), isRepeated: isRepeated, place)
        }
    }

    private mutating func set(_ key: String, to value: Substring, isRepeated: Bool, _ place: ConfigurationPlace) {
        let last = sections.count - 1
        switch key {
        case "Address", "Id", "Subsystem", "Path", "BootVGA":
            if isRepeated { return flaw(place, "\(key)= is in this section for the second time") }
            if !setCondition(key, value, &sections[last]) {
                flaw(place, "\(key)=\(value) is \(Self.wanted[key] ?? "not understood")")
            }
        case "Residue":
            sections[last].residue = value.isEmpty ? .auto : ClaimOptions.Residue(rawValue: String(value))
            if sections[last].residue == nil {
                sections[last].residue = .refuse
                warn(place, "Residue=\(value) is not \(ClaimOptions.Residue.list); taken as refuse")
            }
        case "AllowNative":
            allowNative(value, place)
        case "OnlyFunction":
            sections[last].onlyFunction = value.isEmpty ? false : Self.boolean(value)
            if sections[last].onlyFunction == nil {
                sections[last].onlyFunction = true
                warn(place, "OnlyFunction=\(value) is neither yes nor no; taken as yes")
            }
        case "WholeSlot":
            let wish = value.isEmpty ? false : Self.boolean(value)
            sections[last].wholeSlot = wish ?? false
            if wish == nil { warn(place, "WholeSlot=\(value) is neither yes nor no; taken as no") }
        case "Function":
            addFunctions(value, place)
        case "Driver":
            // A driver that was not meant could lose the card's memory, so a bad name makes the section flawed.
            if !value.isEmpty, !VFIODrivers.isNamed(String(value)) {
                return flaw(place, "Driver=\(value) is no VFIO driver: vfio-pci, or a variant such as mlx5_vfio_pci")
            }
            sections[last].driver = String(value)
        case "Stop":
            stop(value, place)
        case "Unload":
            let wish = value.isEmpty ? false : Self.boolean(value)
            sections[last].unloadsNative = wish ?? false
            if wish == nil { warn(place, "Unload=\(value) is neither yes nor no; taken as no") }
        case "Enabled":
            let wish = value.isEmpty ? false : Self.boolean(value)
            sections[last].isEnabled = wish ?? false
            if wish == nil { warn(place, "Enabled=\(value) is neither yes nor no; taken as no") }
        case "Multiple":
            let wish = value.isEmpty ? false : Self.boolean(value)
            sections[last].allowsMultiple = wish ?? false
            if wish == nil { warn(place, "Multiple=\(value) is neither yes nor no; taken as no") }
        default:
            if !key.hasPrefix("X-") { warn(place, "unknown key \(key)=, ignored") }
        }
    }

    /// For each key that says which card is meant: what is wrong with a bad value, for a message.
    private static let wanted = [
        "Address": "no PCI address such as 0000:01:00.0",
        "Id": "not of the form vendor:device, four hexadecimal digits each",
        "Subsystem": "not of the form vendor:device, four hexadecimal digits each",
        "Path": "no path below /sys/devices such as pci0000:00/0000:00:01.0/*",
        "BootVGA": "neither yes nor no",
    ]

    private func setCondition(_ key: String, _ value: Substring, _ section: inout GPUSection) -> Bool {
        switch key {
        case "Address":
            section.address = PCIAddress(value)
            return section.address != nil
        case "Id":
            section.id = PCIIdentifier(value)
            return section.id != nil
        case "Subsystem":
            section.subsystem = PCIIdentifier(value)
            return section.subsystem != nil
        case "Path":
            section.path = PathPattern(value)
            return section.path != nil
        default:
            section.isBootVGA = Self.boolean(value)
            return section.isBootVGA != nil
        }
    }

    /// Adds to a list. An empty value clears it, as in systemd's files.
    private mutating func allowNative(_ value: Substring, _ place: ConfigurationPlace) {
        let last = sections.count - 1
        var drivers = value.isEmpty ? [] : sections[last].allowedNativeDrivers ?? []
        for name in value.split(whereSeparator: \.isWhitespace) {
            if NativeDriver.bouncing(named: String(name)) != nil {
                drivers.insert(String(name))
            } else {
                let names = NativeDriver.allowedToBounce.map(\.module).joined(separator: ", ")
                warn(place, "AllowNative=\(name): only these may be asked to probe once: \(names); ignored")
            }
        }
        sections[last].allowedNativeDrivers = drivers
    }

    /// Adds to a list, as `AllowNative=` does.
    private mutating func stop(_ value: Substring, _ place: ConfigurationPlace) {
        let last = sections.count - 1
        var units = value.isEmpty ? [] : sections[last].stoppableUnits ?? []
        for name in value.split(whereSeparator: \.isWhitespace) where !units.contains(String(name)) {
            if let objection = ServiceName.objection(to: name) {
                warn(place, "Stop=\(name) is \(objection); ignored")
            } else {
                units.append(String(name))
            }
        }
        sections[last].stoppableUnits = units
    }

    /// Adds to a list, as `AllowNative=` does.
    private mutating func addFunctions(_ value: Substring, _ place: ConfigurationPlace) {
        let last = sections.count - 1
        var functions = value.isEmpty ? [] : sections[last].addedFunctions ?? []
        for text in value.split(whereSeparator: \.isWhitespace) {
            if let address = PCIAddress(text) {
                functions.insert(address)
            } else {
                warn(place, "Function=\(text) is no PCI address such as 0000:01:00.1; ignored")
            }
        }
        sections[last].addedFunctions = functions
    }

    private mutating func warn(_ place: ConfigurationPlace, _ message: String) {
        warnings.append(ConfigurationWarning(place, message))
    }

    private mutating func flaw(_ place: ConfigurationPlace, _ message: String) {
        warn(place, "\(message); the section is not used, and every card that it may be about is refused")
        let last = sections.count - 1
        if sections[last].flaw == nil { sections[last].flaw = ConfigurationWarning(place, message) }
    }

    /// The words of systemd.syntax(7), in any case.
    private static func boolean(_ text: Substring) -> Bool? {
        switch text.lowercased() {
        case "1", "yes", "y", "true", "t", "on": true
        case "0", "no", "n", "false", "f", "off": false
        default: nil
        }
    }

    private static func trim(_ text: Substring) -> Substring {
        guard let last = text.lastIndex(where: { !$0.isWhitespace }) else { return "" }
        return text[...last].drop(while: \.isWhitespace)
    }
}
