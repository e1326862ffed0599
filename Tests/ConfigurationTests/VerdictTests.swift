import Aperture
import Configuration
import Testing

/// Which card may be claimed, under which configuration.
struct VerdictTests {
    /// A boot GPU, a card for guests, and its twin.
    private static let cards = [
        CardFacts(
            address: address("00:02.0"), id: id("8086:4680"), subsystem: id("1043:8882"),
            path: "pci0000:00/0000:00:02.0",
            isBootVGA: true),
        CardFacts(
            address: address("01:00.0"), id: id("10de:1c82"), subsystem: id("1043:85d8"),
            path: "pci0000:00/0000:00:01.0/0000:01:00.0"),
        CardFacts(
            address: address("02:00.0"), id: id("10de:1c82"), subsystem: id("1458:3733"),
            path: "pci0000:00/0000:00:06.0/0000:02:00.0"),
    ]

    private static func address(_ text: String) -> PCIAddress {
        guard let address = PCIAddress(text) else { preconditionFailure("\(text) is no address") }
        return address
    }

    private static func id(_ text: String) -> PCIIdentifier? { PCIIdentifier(text) }

    private func verdict(_ text: String, at address: String = "01:00.0", _ cards: [CardFacts] = cards)
        -> Configuration.Verdict
    {
        Configuration([ConfigurationFile(path: "/etc/a.conf", text: text)]).verdict(
            for: Self.address(address), among: cards)
    }

    private func refusals(_ text: String, at address: String = "01:00.0", _ cards: [CardFacts] = cards)
        -> [Refusal]
    {
        if case .refused(let refusals) = verdict(text, at: address, cards) { refusals } else { [] }
    }

    private static let defaults = Configuration.Verdict.allowed(ClaimOptions())

    @Test(arguments: [
        ("", []), ("[GPU]\nAddress=01:00.0", []), ("[GPU]\nAddress=01:00.0\nEnabled=yes", ["01:00.0"]),
        // Also one that is not there, and one that another card has replaced: that is to be said, not passed over.
        ("[GPU]\nAddress=09:00.0\nEnabled=yes", ["09:00.0"]),
        ("[GPU]\nAddress=01:00.0\nId=10de:2204\nEnabled=yes", ["01:00.0"]),
        ("[GPU]\nId=10de:1c82\nEnabled=yes", ["01:00.0", "02:00.0"]),
        ("[GPU]\nId=10de:1c82\nMultiple=yes\nEnabled=yes\n[GPU]\nAddress=02:00.0\nEnabled=no", ["01:00.0"]),
        ("[GPU]\nAddress=02:00.0\nEnabled=yes\n[GPU]\nId=10de:1c82\nResidue=rescan", ["02:00.0"]),
        ("[GPU]\nId=10de:2204\nEnabled=yes", []), ("[GPU]\nBootVGA=yes\nEnabled=perhaps", []),
        ("[GPU]\nMultiple=yes\nEnabled=yes", ["00:02.0", "01:00.0", "02:00.0"]),
    ])
    func `the cards that are enabled are those that a section names or matches`(text: String, addresses: [String]) {
        let configuration = Configuration([ConfigurationFile(path: "/etc/a.conf", text: text)])
        #expect(configuration.enabled(among: Self.cards) == addresses.map(Self.address))
    }

    @Test func `without sections any card is allowed, and nothing special`() {
        #expect(verdict("") == Self.defaults)
        #expect(verdict("", []) == Self.defaults)
    }

    @Test(arguments: [
        "Address=0000:01:00.0", "Address=01:00.0\nId=10de:1c82", "Address=01:00.0\nBootVGA=no",
        "Id=10de:1c82\nSubsystem=1043:85d8", "Subsystem=1043:85d8", "Path=*/0000:00:01.0/*",
        "Id=10de:1c82\nMultiple=yes", "Multiple=yes", "BootVGA=no\nMultiple=yes",
        "Address=01:00.0\nId=10de:1c82\nSubsystem=1043:85d8\nPath=*/0000:00:01.0/*\nBootVGA=no",
    ])
    func `a section that is true of the card says what may be done`(conditions: String) {
        var options = ClaimOptions()
        options.residue = .rescan
        options.onlyFunction = true
        #expect(verdict("[GPU]\n\(conditions)\nResidue=rescan\nOnlyFunction=yes") == .allowed(options))
    }

    @Test(arguments: [
        "Id=10de:1c81", "Subsystem=1458:3733", "Path=*/0000:00:06.0/*", "BootVGA=yes",
        "Id=10de:1c82\nSubsystem=1043:0000",
    ])
    func `a pinned card must be all that its section says`(conditions: String) {
        let refusals = refusals("[GPU]\nAddress=01:00.0\n\(conditions)")
        #expect(refusals.map(\.code) == [.configurationMismatch])
        #expect(refusals.first?.message.hasPrefix("/etc/a.conf:1: ") == true)
        #expect(refusals.first?.message.contains("0000:01:00.0") == true)
    }

    @Test func `a card that moved is found`() {
        // The boot GPU went, and everything behind it moved up by one bus.
        let moved = [
            CardFacts(address: Self.address("01:00.0"), id: Self.id("1002:73bf"), isBootVGA: true),
            CardFacts(address: Self.address("02:00.0"), id: Self.id("10de:1c82")),
        ]
        for section in ["Address=01:00.0\nId=10de:1c82", "Id=10de:1c82"] {
            let refusals = refusals("[GPU]\n\(section)", moved)
            #expect(refusals.map(\.code) == [.configurationMismatch])
            #expect(refusals.first?.remedy.contains("apertured@0000:02:00.0.service") == true)
        }
    }

    @Test func `a pin says nothing of other addresses`() {
        #expect(verdict("[GPU]\nAddress=02:00.0\nId=ffff:ffff\nResidue=rescan") == Self.defaults)
    }

    @Test func `a pin on an address without a card is refused`() {
        #expect(refusals("[GPU]\nAddress=05:00.0", at: "05:00.0").map(\.code) == [.configurationMismatch])
    }

    @Test func `twins cannot be told apart by what they are`() {
        let refusals = refusals("[GPU]\nId=10de:1c82")
        #expect(refusals.map(\.code) == [.ambiguous])
        #expect(refusals.first?.message.contains("0000:02:00.0") == true)
        #expect(verdict("[GPU]\nId=10de:1c82\nMultiple=no").isRefused)
        #expect(verdict("[GPU]\nId=10de:1c82\nAddress=01:00.0") == Self.defaults)
        #expect(verdict("[GPU]\nId=10de:1c82\nPath=*/0000:00:01.0/*") == Self.defaults)
    }

    @Test func `an ambiguity among other cards is not this card's`() {
        let text = "[GPU]\nId=10de:1c82\n[GPU]\nBootVGA=yes"
        #expect(verdict(text, at: "00:02.0") == Self.defaults)
    }

    @Test func `where cards are named by what they are, another card is refused`() {
        let refusals = refusals("[GPU]\nId=10de:1c82\nMultiple=yes", at: "00:02.0")
        #expect(refusals.map(\.code) == [.configurationMismatch])
        #expect(refusals.first?.remedy.contains("apertured@0000:01:00.0.service") == true)
        #expect(verdict("[GPU]\nId=10de:1c82\nMultiple=yes\n[GPU]\nAddress=00:02.0", at: "00:02.0") == Self.defaults)
        #expect(self.refusals("[GPU]\nId=1234:5678").first?.remedy.contains("No other card fits") == true)
    }

    @Test func `what a later section says goes over what an earlier one said, key by key`() {
        var options = ClaimOptions()
        options.residue = .refuse
        options.allowedNativeDrivers = ["amdgpu"]
        options.onlyFunction = true
        let text = """
            [GPU]
            Multiple=yes
            Residue=rescan
            AllowNative=nouveau
            OnlyFunction=yes
            [GPU]
            Address=01:00.0
            Residue=refuse
            AllowNative=amdgpu
            [GPU]
            Address=02:00.0
            Residue=bounce
            """
        #expect(verdict(text) == .allowed(options))
    }

    @Test(arguments: [
        "Id=10de", "Address=gpu", "Address=01:00.0\nId=10de", "Id=10de:1c82\nSubsystem=1043", "Address=01:00.0\nPath=/",
    ])
    func `a section that cannot be understood refuses the cards that it may be about`(conditions: String) throws {
        let refusals = refusals("[GPU]\n\(conditions)\nResidue=refuse")
        #expect(refusals.map(\.code) == [.configurationInvalid])
        #expect(refusals.first?.message.contains(try Regex("^/etc/a.conf:[23]: ")) == true)
    }

    @Test(arguments: ["Address=05:00.0\nId=10de", "Address=gpu", "Id=10de", "BootVGA=yes\nSubsystem=1043"])
    func `nor is an address without a card let through it`(conditions: String) {
        for cards in [Self.cards, []] {
            let refusals = refusals("[GPU]\n\(conditions)", at: "05:00.0", cards)
            #expect(refusals.map(\.code) == [.configurationInvalid])
            #expect(refusals.first?.message.contains("the card at 0000:05:00.0") == true)
        }
        // It is pinned to another address.
        #expect(verdict("[GPU]\nAddress=05:00.1\nId=10de", at: "05:00.0", []) == Self.defaults)
    }

    @Test(arguments: ["Address=02:00.0\nId=10de", "Id=8086:4680\nSubsystem=1043", "BootVGA=yes\nAddress=gpu"])
    func `and no others`(conditions: String) {
        #expect(verdict("[GPU]\n\(conditions)") == Self.defaults)
    }

    @Test func `what cannot be read of a card is true of nothing`() {
        let card = CardFacts(address: Self.address("01:00.0"), id: nil)
        #expect(refusals("[GPU]\nAddress=01:00.0\nId=10de:1c82", [card]).map(\.code) == [.configurationMismatch])
        #expect(refusals("[GPU]\nAddress=01:00.0\nPath=*", [card]).map(\.code) == [.configurationMismatch])
        #expect(verdict("[GPU]\nAddress=01:00.0", [card]) == Self.defaults)
    }

    @Test func `a refusal says where, what, and what to do`() {
        #expect(
            refusals("[GPU]\nAddress=01:00.0\nId=8086:4680").map(\.description) == [
                "configuration-mismatch: /etc/a.conf:1: the card at 0000:01:00.0 is not the one that was meant: "
                    + "Id=8086:4680, but it is 10de:1c82. A card that fits has moved: "
                    + "enable apertured@0000:00:02.0.service instead, or correct the section."
            ])
    }
}

extension Configuration.Verdict {
    fileprivate var isRefused: Bool {
        if case .refused = self { true } else { false }
    }
}
