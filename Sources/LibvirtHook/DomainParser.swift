internal import Aperture
internal import CExpat

/// Reads a domain's XML (libvirt's "Domain XML format") with Expat.
///
/// Only elements at their place count, as `<metadata>` may contain any other document. A document type declaration is
/// refused: libvirt writes none, and it is what can define entities.
package enum DomainParser {
    /// The longest document that is read, in bytes: what libvirt sends as one string (`REMOTE_STRING_MAX`).
    package static let largest = 4 << 20
    /// A domain's `<hostdev>` elements at most: more than a machine has functions to give.
    static let mostFunctions = 256

    /// Reads a domain from the whole document.
    package static func parse(_ document: [UInt8]) throws(DomainError) -> Domain {
        guard document.count <= largest else { throw DomainError("it is longer than \(largest >> 20) MiB") }
        guard let parser = unsafe XML_ParserCreate(nil) else { throw DomainError("Expat has no memory") }
        defer { unsafe XML_ParserFree(parser) }
        let collector = unsafe Collector(parser)
        return try withExtendedLifetime(collector) { () throws(DomainError) in
            unsafe XML_SetUserData(parser, Unmanaged.passUnretained(collector).toOpaque())
            unsafe XML_SetElementHandler(
                parser, { unsafe Collector.of($0)?.start($1, $2) }, { data, _ in unsafe Collector.of(data)?.end() })
            unsafe XML_SetCharacterDataHandler(parser) { unsafe Collector.of($0)?.text($1, $2) }
            unsafe XML_SetStartDoctypeDeclHandler(parser) { data, _, _, _, _ in
                unsafe Collector.of(data)?.fail("it has a document type declaration")
            }
            let result = unsafe document.withUnsafeBytes { bytes in
                unsafe XML_Parse(parser, bytes.baseAddress?.assumingMemoryBound(to: CChar.self), CInt(bytes.count), 1)
            }
            if let failure = collector.failure { throw DomainError(failure) }
            guard result == XML_STATUS_OK else {
                let code = unsafe XML_GetErrorCode(parser)
                let why = unsafe XML_ErrorString(code).map { unsafe String(cString: $0) } ?? "error \(code.rawValue)"
                throw DomainError("line \(unsafe XML_GetCurrentLineNumber(parser)): \(why)")
            }
            return try collector.domain()
        }
    }
}

/// Collects what counts while Expat goes through a document.
@safe private final class Collector {
    private let parser: XML_Parser
    /// The names of the open elements, the outermost first, as far as ``deepest``.
    private var path: [String] = []
    /// The number of open elements.
    private var depth = 0
    private var uuid = ""
    private var functions: [PCIAddress] = []
    /// Whether the open `<hostdev>` is a PCI function.
    private var isPCI = false
    /// The address of the open `<hostdev>`.
    private var address: PCIAddress?
    /// Why the document is refused.
    private(set) var failure: String?

    /// No place that counts is deeper: domain, devices, hostdev, source, address.
    private static let deepest = 5
    /// Room for a UUID and the white space around it, in bytes.
    private static let longestText = 128

    init(_ parser: XML_Parser) {
        unsafe self.parser = unsafe parser
    }

    static func of(_ data: UnsafeMutableRawPointer?) -> Collector? {
        unsafe data.map { unsafe Unmanaged<Collector>.fromOpaque($0).takeUnretainedValue() }
    }

    func fail(_ reason: String) {
        if failure == nil { failure = reason }
        _ = unsafe XML_StopParser(parser, XML_Bool(XML_FALSE))
    }

    func start(_ name: UnsafePointer<CChar>?, _ attributes: UnsafeMutablePointer<UnsafePointer<CChar>?>?) {
        depth += 1
        guard depth <= Self.deepest, failure == nil, let name = unsafe name else { return }
        path.append(unsafe String(cString: name))
        switch path {
        case ["domain"], ["domain", "uuid"]: break
        case let path where path.count == 1: fail("its root is '\(printable(path[0]))', not 'domain'")
        case ["domain", "devices", "hostdev"]:
            let values = unsafe Self.values(attributes)
            // The mode is `subsystem` where none is given.
            isPCI = values["type"] == "pci" && values["mode", default: "subsystem"] == "subsystem"
            address = nil
        case ["domain", "devices", "hostdev", "source", "address"] where isPCI:
            guard let found = Self.address(unsafe Self.values(attributes)) else {
                return fail(
                    "line \(unsafe XML_GetCurrentLineNumber(parser)): this is not the address of a PCI function")
            }
            address = found
        default: break
        }
    }

    func end() {
        defer { depth -= 1 }
        guard depth <= Self.deepest, failure == nil else { return }
        if path == ["domain", "devices", "hostdev"], isPCI {
            isPCI = false
            guard let address else {
                return fail("line \(unsafe XML_GetCurrentLineNumber(parser)): a PCI hostdev has no source address")
            }
            guard functions.count < DomainParser.mostFunctions else {
                return fail("it has more than \(DomainParser.mostFunctions) PCI hostdevs")
            }
            if !functions.contains(address) { functions.append(address) }
        }
        path.removeLast()
    }

    func text(_ bytes: UnsafePointer<CChar>?, _ count: CInt) {
        guard depth == 2, path == ["domain", "uuid"], let bytes = unsafe bytes else { return }
        let piece = unsafe UnsafeBufferPointer(start: bytes, count: Int(count))
        uuid += unsafe String(decoding: piece.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        if uuid.utf8.count > Self.longestText { fail("its UUID is too long") }
    }

    func domain() throws(DomainError) -> Domain {
        let words = uuid.split(whereSeparator: \.isWhitespace)
        guard words.count == 1, let uuid = Domain.uuid(String(words[0])) else {
            throw DomainError("it has no UUID")
        }
        return Domain(uuid: uuid, functions: functions)
    }

    private static func values(_ attributes: UnsafeMutablePointer<UnsafePointer<CChar>?>?) -> [String: String] {
        // Names and values alternate, and NULL ends them.
        var values: [String: String] = [:]
        guard var next = unsafe attributes else { return values }
        while let name = unsafe next[0], let value = unsafe next[1] {
            unsafe values[String(cString: name)] = unsafe String(cString: value)
            unsafe next += 2
        }
        return values
    }

    /// An address as libvirt reads it (`virPCIDeviceAddressParseXML()`): the numbers have C's prefixes, and the domain
    /// may be missing.
    private static func address(_ values: [String: String]) -> PCIAddress? {
        guard let domain = number(values["domain", default: "0"]), let bus = number(values["bus", default: ""]),
            let slot = number(values["slot", default: ""]), let function = number(values["function", default: "0"]),
            let bus = UInt8(exactly: bus), let slot = UInt8(exactly: slot), let function = UInt8(exactly: function)
        else { return nil }
        return PCIAddress(domain: domain, bus: bus, device: slot, function: function)
    }

    private static func number(_ text: String) -> UInt32? {
        guard text.utf8.allSatisfy({ $0 != UInt8(ascii: "+") && $0 != UInt8(ascii: "-") }) else { return nil }
        if text.hasPrefix("0x") || text.hasPrefix("0X") { return UInt32(text.dropFirst(2), radix: 16) }
        if text.hasPrefix("0"), text.utf8.count > 1 { return UInt32(text.dropFirst(), radix: 8) }
        return UInt32(text)
    }
}
