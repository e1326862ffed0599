import PCIAccess
import Testing

@Suite("Device names")
struct DeviceNamesTests {
    @Test("A device in pci.ids has its name")
    func known() {
        let name = DeviceNames().name(vendor: 0x8086, device: 0x1237)
        #expect(name.hasPrefix("Intel Corporation"))
        #expect(name.contains("440FX"))
    }

    @Test("A device that is in no list is named by its numbers")
    func unknown() {
        let name = DeviceNames().name(vendor: 0xfffe, device: 0x00af)
        #expect(name.contains("00af"))
    }
}
