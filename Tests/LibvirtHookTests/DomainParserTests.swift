import Aperture
import Foundation
import LibvirtHook
import Testing

/// A domain's XML, as libvirt hands it to a hook: one file of `Domains`.
func recorded(_ name: String) throws -> [UInt8] {
    let folder = Bundle.module.bundleURL.appending(path: "Domains")
    return Array(try Data(contentsOf: folder.appending(path: "\(name).xml")))
}

struct Domains {
    /// A whole domain around some devices.
    static func document(_ devices: String, uuid: String = "7a3c4c1e-7d0f-4c0c-8f0a-5b1d6c2e9f00") -> [UInt8] {
        Array("<domain><uuid>\(uuid)</uuid><devices>\(devices)</devices></domain>".utf8)
    }

    static func hostdev(_ address: String) -> String {
        "<hostdev mode='subsystem' type='pci'><source><address \(address)/></source></hostdev>"
    }
}

struct DomainParserTests {
    @Test(
        "The functions of a recorded domain are found, and nothing else is taken for one",
        arguments: [
            ("gpu-and-audio", "4dea22b3-1d52-d8f3-2516-782e98ab3fa0", ["0000:0b:00.0", "0000:0b:00.1"]),
            ("no-pci", "f0f2b7c9-94ac-4a0c-9c6b-0f5a2d0e9b11", []),
            ("two-cards", "7a3c4c1e-7d0f-4c0c-8f0a-5b1d6c2e9f00", ["10000:c1:00.0", "0000:08:1f.7"]),
        ])
    func recordedDomain(_ name: String, _ uuid: String, _ functions: [String]) throws {
        let domain = try DomainParser.parse(try recorded(name))
        #expect(domain.uuid == uuid)
        #expect(domain.functions == functions.compactMap { PCIAddress($0) })
    }

    @Test(
        "A document that is no domain is refused with the reason",
        arguments: [
            ("", "no element found"),
            ("<domain>", "line 1: no element found"),
            ("<domain>\n<uuid></domain>", "line 2: mismatched tag"),
            ("<domainsnapshot/>", "its root is 'domainsnapshot', not 'domain'"),
            ("<domain/>", "it has no UUID"),
            ("<domain><uuid>../../../../etc/passwd</uuid></domain>", "it has no UUID"),
            ("<domain><uuid>7a3c4c1e-7d0f-4c0c-8f0a-5b1d6c2e9f0z</uuid></domain>", "it has no UUID"),
            ("<domain><uuid>7a3c4c1e-7d0f-4c0c-8f0a-5b1d6c2e9f00 7</uuid></domain>", "it has no UUID"),
            ("<domain><uuid>\(String(repeating: "0", count: 200))</uuid></domain>", "its UUID is too long"),
            ("<!DOCTYPE domain [<!ENTITY a 'b'>]><domain>&a;</domain>", "it has a document type declaration"),
            ("<domain>\u{0}</domain>", "line 1: not well-formed (invalid token)"),
        ])
    func refused(_ text: String, _ reason: String) {
        let error = #expect(throws: DomainError.self) { try DomainParser.parse(Array(text.utf8)) }
        #expect(error.map { "\($0)".contains(reason) } == true, "\(error.map { "\($0)" } ?? "")")
    }

    @Test(
        "An address that is none is refused, as the function behind it would go unclaimed",
        arguments: [
            "bus='0x100' slot='0' function='0'", "bus='1' slot='0x20' function='0'", "bus='1' slot='0' function='8'",
            "bus='' slot='0' function='0'", "slot='0' function='0'", "bus='-1' slot='0' function='0'",
            "bus='1' slot='+0' function='0'", "bus='1' slot='0' function='0' domain='0x100000000'",
            "bus='08' slot='0' function='0'", "bus='1 ' slot='0' function='0'", "uuid='x'",
        ])
    func wrongAddress(_ address: String) {
        #expect(throws: DomainError.self) { try DomainParser.parse(Domains.document(Domains.hostdev(address))) }
    }

    @Test("A PCI hostdev without an address is refused")
    func missingAddress() {
        #expect(throws: DomainError.self) {
            try DomainParser.parse(Domains.document("<hostdev type='pci'><source/></hostdev>"))
        }
    }

    @Test("A document of any depth is read, and one that is too long is not")
    func bounded() throws {
        let deep = String(repeating: "<a>", count: 100_000) + String(repeating: "</a>", count: 100_000)
        #expect(try DomainParser.parse(Domains.document(deep)).functions.isEmpty)
        let long = Domains.document(String(repeating: " ", count: DomainParser.largest))
        #expect(throws: DomainError.self) { try DomainParser.parse(long) }
        let many = (0..<257).map { Domains.hostdev("domain='\($0)' bus='1' slot='0' function='0'") }.joined()
        #expect(throws: DomainError.self) { try DomainParser.parse(Domains.document(many)) }
    }

    @Test(
        "libvirt's operations are told apart",
        arguments: [
            (["win11", "prepare", "begin", "-"], HookCall.prepare(domain: "win11")),
            (["win11", "release", "end", "-"], .release(domain: "win11")),
            (["prepare", "start", "begin", "-"], .other), (["win11", "started", "begin", "-"], .other),
            (["win11", "stopped", "end", "-"], .other), (["win11", "migrate", "begin", "-"], .other),
            (["win11", "restore", "begin", "-"], .other), (["win11", "reconnect", "begin", "-"], .other),
            (["win11", "attach", "begin", "-"], .other), (["win11", "prepare", "end", "-"], .other),
            (["win11", "prepare"], nil), ([], nil),
        ])
    func calls(_ arguments: [String], _ call: HookCall?) {
        #expect(HookCall(arguments) == call)
    }
}
