/// The names of the services that a claim may stop.
package enum ServiceName {
    /// UNIT_NAME_MAX of systemd, less the byte that ends a string.
    private static let longest = 255
    private static let suffix = ".service"

    /// Why a unit of this name may not be stopped: a clause without a full stop; `nil` when it may.
    package static func objection(to name: some StringProtocol) -> String? {
        guard isService(name) else { return "no name of a service, such as display-manager.service" }
        let stem = name.dropLast(suffix.count)
        return stem == "apertured" || stem.hasPrefix("apertured@") ? "apertured's own" : nil
    }

    /// Whether a service that can be started can have this name. A template has none.
    package static func isService(_ name: some StringProtocol) -> Bool {
        guard name.hasSuffix(suffix), isUnit(name), name.utf8.count <= longest else { return false }
        let stem = name.dropLast(suffix.count)
        return !stem.isEmpty && stem.first != "@" && stem.last != "@"
    }

    /// Whether a unit can have this name (`unit_name_is_valid()`), and no command takes it for an option.
    static func isUnit(_ name: some StringProtocol) -> Bool {
        !name.hasPrefix("-") && !name.isEmpty
            && name.utf8.allSatisfy { byte in
                (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                    || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
                    || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || "-_.:\\@".utf8.contains(byte)
            }
    }
}
