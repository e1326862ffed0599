import Aperture
import Testing

struct PCIAddressTests {
    struct Spelling: Sendable {
        let text: String
        let domain: UInt32
        let bus: UInt8
        let device: UInt8
        let function: UInt8
        let kernel: String

        init(_ text: String, _ domain: UInt32, _ bus: UInt8, _ device: UInt8, _ function: UInt8, kernel: String) {
            self.text = text
            self.domain = domain
            self.bus = bus
            self.device = device
            self.function = function
            self.kernel = kernel
        }
    }

    @Test(arguments: [
        Spelling("0000:01:00.0", 0, 1, 0, 0, kernel: "0000:01:00.0"),
        Spelling("01:00.0", 0, 1, 0, 0, kernel: "0000:01:00.0"),
        Spelling("c3:1f.7", 0, 0xc3, 31, 7, kernel: "0000:c3:1f.7"),
        Spelling("C3:1F.7", 0, 0xc3, 31, 7, kernel: "0000:c3:1f.7"),
        Spelling("ffff:ff:1f.7", 0xffff, 0xff, 31, 7, kernel: "ffff:ff:1f.7"),
        // Intel VMD.
        Spelling("10000:e1:00.0", 0x10000, 0xe1, 0, 0, kernel: "10000:e1:00.0"),
        Spelling("ffffffff:00:00.0", .max, 0, 0, 0, kernel: "ffffffff:00:00.0"),
    ])
    func `reads an address with or without a domain, and prints it as the kernel does`(spelling: Spelling) throws {
        let address = try #require(PCIAddress(spelling.text))
        #expect(address.domain == spelling.domain)
        #expect(address.bus == spelling.bus)
        #expect(address.device == spelling.device)
        #expect(address.function == spelling.function)
        #expect(address.description == spelling.kernel)
        #expect(PCIAddress(address.description) == address)
    }

    @Test(arguments: [
        "", ":", ".", ":.", "::.", "gpu", "01", "01:00", "01.0", "0000:01:00", "0000:01:00.0.0", "0000:01:00:0",
        "0000.01.00.0", "0000:01.00.0", "1:00.0", "001:00.0", "01:0.0", "01:000.0", "01:00.", "01:00.00", "01:00.8",
        "01:20.0", "000:01:00.0", "00000:01:00.0", "00010000:e1:00.0", "00000000:01:00.0", ":01:00.0",
        "000000000:01:00.0", "100000000:01:00.0", " 01:00.0", "01:00.0 ",
        "01:00.0\n", "0x0:01:00.0", "-1:00.0", "0000:g1:00.0", "0000:01:00.0/", "0000:01:00.0\0", "०१:००.०",
    ])
    func `reads nothing else`(text: String) {
        #expect(PCIAddress(text) == nil)
    }

    @Test func `a device over 31 and a function over 7 do not exist`() {
        #expect(PCIAddress(bus: 0, device: 31, function: 7) != nil)
        #expect(PCIAddress(bus: 0, device: 32, function: 0) == nil)
        #expect(PCIAddress(bus: 0, device: 0, function: 8) == nil)
    }

    @Test func `functions share a slot with the same device only`() throws {
        let gpu = try #require(PCIAddress("0000:01:00.0"))
        #expect(gpu.sharesSlot(with: try #require(PCIAddress("0000:01:00.1"))))
        for other in ["0001:01:00.1", "0000:02:00.1", "0000:01:01.1"] {
            #expect(!gpu.sharesSlot(with: try #require(PCIAddress(other))))
        }
    }

    @Test func `sorts by domain, bus, device and function`() throws {
        let sorted = ["0000:01:00.0", "0000:01:00.1", "0000:01:02.0", "0000:02:00.0", "0001:00:00.0", "10000:00:00.0"]
        #expect(sorted.reversed().compactMap { PCIAddress($0) }.sorted().map(\.description) == sorted)
    }
}
