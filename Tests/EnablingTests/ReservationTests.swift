import Aperture
import Configuration
import Enabling
import Testing

struct ReservationTests {
    private static let path = "pci0000:00/0000:00:01.0/0000:01:00.0"

    private static func reservation(_ text: String, isBootVGA: Bool = false, id: String? = "10de:1c82") throws
        -> Reservation
    {
        let card = CardFacts(
            address: try #require(PCIAddress("0000:01:00.0")), id: id.flatMap { PCIIdentifier($0) },
            subsystem: PCIIdentifier("1043:85d8"), path: path, isBootVGA: isBootVGA)
        let configuration = Configuration([ConfigurationFile(path: "/etc/apertured.conf", text: text)])
        return try Reservation(
            of: card.address, among: [card], by: configuration, driver: "xe-vfio-pci", module: "xe_vfio_pci")
    }

    @Test func `the line has what the card was when the image was made`() throws {
        #expect(
            try Self.reservation("").line
                == "gpu=0000:01:00.0 driver=xe-vfio-pci module=xe_vfio_pci id=10de:1c82 subsystem=1043:85d8 path=\(Self.path)"
        )
    }

    @Test(arguments: [("no", false), ("yes", true)])
    func `where the configuration asks for the firmware's screen, so does the line`(word: String, isBootVGA: Bool)
        throws
    {
        let line = try Self.reservation("[GPU]\nBootVGA=\(word)\nMultiple=yes\n", isBootVGA: isBootVGA).line
        #expect(line.hasSuffix(" boot-vga=\(word)"))
    }

    @Test(arguments: ["[GPU]\nAddress=0000:01:00.0\nId=10de:ffff\n", "[GPU]\nAddress=0000:01:00.0\nId=10de\n"])
    func `a card that the configuration refuses is not listed`(text: String) {
        #expect(throws: Reservation.Omission.self) { try Self.reservation(text) }
    }

    @Test func `nor is one that could not be read`() {
        #expect(throws: Reservation.Omission.self) { try Self.reservation("", id: nil) }
    }

    @Test func `nor one that is not there`() throws {
        let address = try #require(PCIAddress("0000:02:00.0"))
        #expect(throws: Reservation.Omission(reason: "There is no display device at 0000:02:00.0.")) {
            try Reservation(of: address, among: [], by: Configuration(), driver: "vfio-pci", module: "vfio-pci")
        }
    }
}
