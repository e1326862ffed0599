import PCIAccess
import Testing

@Suite("A device's name in little room")
struct DeviceNameTests {
    private static let navi = DeviceName(
        vendor: "Advanced Micro Devices, Inc. [AMD/ATI]", device: "Navi 31 [Radeon RX 7900 XT/7900 XTX/7900M]")

    @Test(
        "What tells least goes first",
        arguments: [
            (81, "Advanced Micro Devices, Inc. [AMD/ATI] Navi 31 [Radeon RX 7900 XT/7900 XTX/7900M]"),
            (80, "AMD Navi 31 [Radeon RX 7900 XT/7900 XTX/7900M]"), (45, "AMD Radeon RX 7900 XT/7900 XTX/7900M"),
            (20, "AMD Radeon RX 7900 …"), (1, "…"), (0, "…"),
        ])
    func fitting(_ columns: Int, _ text: String) {
        #expect(Self.navi.fitting(columns) == text)
    }

    @Test(
        "A vendor's name goes without the kind of company",
        arguments: [
            ("NVIDIA Corporation", "GP107 [GeForce GTX 1050 Ti]", "NVIDIA GeForce GTX 1050 Ti"),
            ("ASPEED Technology, Inc.", "ASPEED Graphics Family", "ASPEED Technology ASPEED Graphics Family"),
            ("Matrox Electronics Systems Ltd.", "MGA G200eW", "Matrox Electronics Systems MGA G200eW"),
            ("Corporation", "Device 1111", "Corporation Device 1111"), ("1234", "1111", "1234 1111"),
        ])
    func vendors(_ vendor: String, _ device: String, _ text: String) {
        #expect(DeviceName(vendor: vendor, device: device).fitting(text.count) == text)
    }
}
