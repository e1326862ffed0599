/// The name that QEMU's `-name` gives to a guest.
package enum GuestName {
    /// The most characters of a name that are kept. QEMU has no limit.
    private static let mostCharacters = 100

    /// The guest of a QEMU process; `nil` for another program, and for a guest without a name.
    ///
    /// QEMU takes `-name NAME,…` and `-name guest=NAME,…`, with one or two dashes. Two commas stand for one in a value
    /// (`get_opt_value()`), and the last name counts (`merge_lists`).
    /// - Parameter commandLine: `/proc/PID/cmdline`, or its beginning: arguments with a NUL behind each. The process can
    ///   write there what it likes, so control characters become question marks, and a long name is cut.
    package static func read(from commandLine: some Sequence<UInt8>) -> String? {
        // What stands behind the last NUL is an argument that was cut off, or nothing.
        let arguments = commandLine.split(separator: 0, omittingEmptySubsequences: false).dropLast().map {
            String(decoding: $0, as: UTF8.self)
        }
        guard let program = arguments.first?.split(separator: "/").last, isQEMU(program) else { return nil }
        var name: String?
        for (option, value) in zip(arguments, arguments.dropFirst()) where option == "-name" || option == "--name" {
            name = guest(value) ?? name
        }
        guard let name = name?.printable else { return nil }
        return name.count > mostCharacters ? "\(name.prefix(mostCharacters))…" : name
    }

    /// Whether a process with this name may be QEMU: `qemu-system-x86_64`, `qemu-kvm`, or Debian's and Proxmox's `kvm`.
    package static func isQEMU(_ program: some StringProtocol) -> Bool {
        program == "kvm" || program.containsText("qemu")
    }

    private static func guest(_ value: String) -> String? {
        var name: String?
        for (index, part) in parts(of: value).enumerated() {
            if part.hasPrefix("guest=") {
                name = String(part.dropFirst("guest=".count))
            } else if index == 0, !part.contains("=") {
                name = part
            }
        }
        return name?.isEmpty == true ? nil : name
    }

    /// The parts between single commas, with one comma for two.
    private static func parts(of value: String) -> [String] {
        var parts = [""]
        var rest = value[...]
        while let character = rest.popFirst() {
            if character != "," {
                parts[parts.count - 1].append(character)
            } else if rest.first == "," {
                rest.removeFirst()
                parts[parts.count - 1].append(character)
            } else {
                parts.append("")
            }
        }
        return parts
    }
}
