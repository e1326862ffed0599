internal import Aperture
internal import JSONFormat

/// One value of a record's JSON, with its place in the record. Each field is checked as it is read.
struct RecordFields {
    typealias Failure = RecordCodec.Failure

    let json: JSON
    /// For a message: `record.prior.functions[0]`.
    let place: String

    init(_ json: JSON, at place: String) {
        self.json = json
        self.place = place
    }

    // MARK: - Members

    func object(_ name: String) throws(Failure) -> RecordFields {
        guard case .object(let members) = json, let member = members.first(where: { $0.name == name }) else {
            throw Failure(reason: "\(place).\(name) is missing")
        }
        return RecordFields(member.value, at: "\(place).\(name)")
    }

    /// `nil` for null.
    func optional(_ name: String) throws(Failure) -> RecordFields? {
        let member = try object(name)
        return member.json == .null ? nil : member
    }

    /// As ``optional(_:)``; also `nil` when the member is missing.
    func optionalIfPresent(_ name: String) throws(Failure) -> RecordFields? {
        has(name) ? try optional(name) : nil
    }

    func array(_ name: String) throws(Failure) -> [RecordFields] {
        let member = try object(name)
        guard case .array(let values) = member.json else { throw Failure(reason: "\(member.place) is not a list") }
        // A card has 8 functions and a machine a few framebuffers: this program writes no longer lists.
        guard values.count <= 256 else { throw Failure(reason: "\(member.place) is too long") }
        return values.enumerated().map { RecordFields($0.element, at: "\(member.place)[\($0.offset)]") }
    }

    func has(_ name: String) -> Bool {
        guard case .object(let members) = json else { return false }
        return members.contains { $0.name == name }
    }

    /// As ``array(_:)``; empty when the member is missing.
    func arrayIfPresent(_ name: String) throws(Failure) -> [RecordFields] {
        if case .object = json, !has(name) { return [] }
        return try array(name)
    }

    func string(_ name: String) throws(Failure) -> String { try object(name).string() }

    func number(_ name: String) throws(Failure) -> Int { try object(name).number() }

    func bool(_ name: String) throws(Failure) -> Bool {
        let member = try object(name)
        guard case .bool(let value) = member.json else { throw Failure(reason: "\(member.place) is not a boolean") }
        return value
    }

    func address(_ name: String) throws(Failure) -> PCIAddress {
        let text = try string(name)
        guard let address = PCIAddress(text) else {
            throw Failure(reason: "\(place).\(name) is not a PCI address: \(text)")
        }
        return address
    }

    func optionalName(_ name: String) throws(Failure) -> String? { try optional(name)?.name() }

    // MARK: - The value itself

    /// The name of a driver or a device, as a path of sysfs can contain it: one component of 1 to 64 printable ASCII
    /// characters.
    func name() throws(Failure) -> String {
        let text = try string()
        let isPlain = text.utf8.allSatisfy { (0x20...0x7e).contains($0) && $0 != UInt8(ascii: "/") }
        guard isPlain, (1...64).contains(text.utf8.count), text != ".", text != ".." else {
            throw Failure(reason: "\(place) is not the name of a driver or device")
        }
        return text
    }

    /// A number that is written as text: not every JSON reader keeps 64 bits of a number.
    func number64() throws(Failure) -> UInt64 {
        guard let number = UInt64(try string()) else { throw Failure(reason: "\(place) is not a 64-bit number") }
        return number
    }

    func console() throws(Failure) -> Int {
        let number = try number()
        // MAX_NR_CON_DRIVER of the kernel is 16.
        guard (0..<64).contains(number) else { throw Failure(reason: "\(place) is not a console") }
        return number
    }

    func range() throws(Failure) -> AddressRange {
        let start = try string("start")
        let last = try string("end")
        guard
            start.hasPrefix("0x"), last.hasPrefix("0x"), let start = UInt64(start.dropFirst(2), radix: 16),
            let last = UInt64(last.dropFirst(2), radix: 16), let range = AddressRange(start: start, last: last)
        else { throw Failure(reason: "\(place) is not a range") }
        return range
    }

    func string() throws(Failure) -> String {
        guard case .string(let text) = json else { throw Failure(reason: "\(place) is not text") }
        return text
    }

    func number() throws(Failure) -> Int {
        guard case .number(let number) = json else { throw Failure(reason: "\(place) is not a number") }
        return number
    }
}
