import Aperture
import Configuration
import Testing

struct ConfigurationParserTests {
    private func parse(_ text: String) -> Configuration {
        Configuration([ConfigurationFile(path: "/etc/apertured.conf", text: text)])
    }

    @Test func `a section says which card, and what to do with it`() throws {
        let configuration = parse(
            """
            # the card for guests
            ; and another comment

            [GPU]
            Address = 0000:01:00.0
            Id=10DE:1c82
            Subsystem=1043:85d8
            Path=/sys/devices/pci0000:00/0000:00:01.0/*
            BootVGA=no
            Residue=bounce
            AllowNative=nouveau bochs
            AllowNative=amdgpu
            OnlyFunction=yes
            Multiple=yes

            """)
        #expect(configuration.warnings.isEmpty)
        let section = try #require(configuration.sections.first)
        #expect(configuration.sections.count == 1)
        #expect(section.place == ConfigurationPlace(file: "/etc/apertured.conf", line: 4))
        #expect(section.address == PCIAddress("0000:01:00.0"))
        #expect(section.id == PCIIdentifier(vendor: 0x10de, device: 0x1c82))
        #expect(section.subsystem == PCIIdentifier(vendor: 0x1043, device: 0x85d8))
        #expect(section.path?.description == "pci0000:00/0000:00:01.0/*")
        #expect(section.isBootVGA == false)
        #expect(section.residue == .bounce)
        #expect(section.allowedNativeDrivers == ["nouveau", "bochs", "amdgpu"])
        #expect(section.onlyFunction == true)
        #expect(section.allowsMultiple)
        #expect(section.flaw == nil)
    }

    @Test func `sections repeat, and each is by itself`() {
        let configuration = parse("[GPU]\nId=1002:73bf\n[GPU]\nId=10de:1c82\nOnlyFunction=on")
        #expect(configuration.sections.map(\.id?.description) == ["1002:73bf", "10de:1c82"])
        #expect(configuration.sections.map(\.onlyFunction) == [nil, true])
        #expect(configuration.warnings.isEmpty)
    }

    @Test func `line ends of other systems and a byte order mark do not count`() {
        let configuration = parse("\u{feff}[GPU]\r\nId=1002:73bf\r\n\tBootVGA =\tTRUE \r\n")
        #expect(configuration.sections.map(\.isBootVGA) == [true])
        #expect(configuration.warnings.isEmpty)
    }

    struct Mistake: Sendable {
        let text: String
        let line: Int
        /// What the warning must name.
        let name: String
    }

    @Test("Which services a claim may stop: a list that adds, an empty value clears it, and bad names are no services")
    func services() throws {
        let configuration = parse(
            """
            [GPU]
            Stop=display-manager.service nvidia-persistenced.service
            Stop=gdm.service display-manager.service
            [GPU]
            Stop=gdm.service
            Stop=
            [GPU]
            Stop=gdm apertured@0000:01:00.0.service a/b.service -x.service getty@.service @x.service ollama@1.service
            Stop=.service a.socket
            [GPU]
            """)
        #expect(
            configuration.sections.map(\.stoppableUnits) == [
                ["display-manager.service", "nvidia-persistenced.service", "gdm.service"], [], ["ollama@1.service"],
                nil,
            ])
        #expect(configuration.warnings.map(\.place.line) == [8, 8, 8, 8, 8, 8, 9, 9])
        #expect(
            configuration.warnings.first?.message
                == "Stop=gdm is no name of a service, such as display-manager.service; ignored")
        #expect(configuration.warnings.dropFirst().first?.message.contains("apertured's own") == true)
        let address = try #require(PCIAddress("0000:01:00.0"))
        let cards = [CardFacts(address: address, id: nil)]
        for (count, units) in [(1, configuration.sections[0].stoppableUnits ?? []), (2, []), (3, ["ollama@1.service"])]
        {
            var sections = Array(configuration.sections.prefix(count))
            for index in sections.indices { sections[index].allowsMultiple = true }
            guard case .allowed(let options) = Configuration(sections: sections).verdict(for: address, among: cards)
            else {
                Issue.record("the card is refused")
                return
            }
            #expect(options.stoppableUnits == units)
        }
    }

    @Test("Which functions go, and to which driver")
    func functions() throws {
        let configuration = Configuration([
            ConfigurationFile(
                path: "a.conf",
                text: """
                    [GPU]
                    WholeSlot=yes
                    Function=0000:01:00.2 elsewhere
                    Function=01:00.3
                    Driver=mlx5_vfio_pci
                    [GPU]
                    WholeSlot=perhaps
                    Function=
                    Driver=
                    [GPU]
                    Driver=nouveau
                    """)
        ])
        let sections = configuration.sections
        #expect(sections.map(\.wholeSlot) == [true, false, nil])
        #expect(sections.first?.addedFunctions?.map(\.description).sorted() == ["0000:01:00.2", "0000:01:00.3"])
        #expect(sections.map(\.driver) == ["mlx5_vfio_pci", "", nil])
        #expect(sections.map { $0.flaw != nil } == [false, false, true])
        #expect(configuration.warnings.map(\.place.line) == [3, 7, 11])
        var options = ClaimOptions()
        options.driver = "vfio-pci"
        guard
            case .allowed(let chosen) = Configuration(sections: Array(sections.prefix(1))).verdict(
                for: try #require(PCIAddress("0000:01:00.0")),
                among: [CardFacts(address: try #require(PCIAddress("0000:01:00.0")), id: nil)])
        else {
            Issue.record("the card is refused")
            return
        }
        #expect(chosen.wholeSlot && chosen.driver == "mlx5_vfio_pci" && chosen.addedFunctions.count == 2)
    }

    @Test(arguments: [
        Mistake(text: "[Gpu]\nAddress=01:00.0", line: 1, name: "[Gpu]"),
        Mistake(text: "[]\nAddress=01:00.0", line: 1, name: "[]"),
        Mistake(text: "[GPU]\nColour=red", line: 2, name: "Colour="),
        Mistake(text: "[GPU]\naddress=01:00.0", line: 2, name: "address="),
        Mistake(text: "[GPU]\n=red", line: 2, name: "="),
    ])
    func `an unknown section or key is warned about and passed over`(mistake: Mistake) {
        let configuration = parse(mistake.text)
        #expect(configuration.warnings.map(\.place.line) == [mistake.line])
        #expect(configuration.warnings.first?.message.contains(mistake.name) == true)
        #expect(configuration.sections.allSatisfy { $0.flaw == nil && $0.conditions.isEmpty })
    }

    @Test func `sections and keys of others are passed over in silence`() {
        let configuration = parse("[X-Mine]\nanything\n[GPU]\nX-Note=the left one\n")
        #expect(configuration.warnings.isEmpty)
        #expect(configuration.sections.count == 1)
    }

    @Test(arguments: [
        "Address=", "Address=gpu", "Address=0000:01:00", "Address=01:00.0 02:00.0", "Id=", "Id=10de", "Id=10de:1c8",
        "Id=10de:*", "Id=0x10de:0x1c82", "Id=+0de:1c82", "Id=10de:1c82:0000", "Subsystem=1043", "Path=", "Path=/",
        "Path=/sys/devices/", "Path=/sys/bus/pci/devices/0000:01:00.0", "Path=pci0000:00//0000:01:00.0",
        "Path=pci0000:00/../x", "Path=pci0000:00/[0-9]", "BootVGA=", "BootVGA=maybe", "Address 0000:01:00.0", "[GPU",
        "Id=10de:1c82 # the left one", "Id=10de:1c82\\",
    ])
    func `a line that should say which card, and does not, flaws its section`(line: String) throws {
        let configuration = parse("[GPU]\n\(line)\nOnlyFunction=no")
        let section = try #require(configuration.sections.first)
        #expect(section.flaw?.place.line == 2)
        #expect(configuration.warnings.map(\.place.line) == [2])
        #expect(configuration.sections.count == 1)
    }

    @Test func `a key that says which card stands once in a section`() throws {
        let configuration = parse("[GPU]\nId=10de:1c82\nId=10de:1c81")
        #expect(configuration.sections.first?.flaw?.place.line == 3)
        #expect(configuration.sections.first?.id?.description == "10de:1c82")
    }

    @Test func `a line in front of all sections is about any card`() throws {
        let configuration = parse("Address=0000:01:00.0\nId=10de:1c82\n[GPU]\nBootVGA=no")
        #expect(configuration.sections.map { $0.flaw?.place.line } == [1, nil])
        #expect(configuration.warnings.count == 1)
    }

    @Test(arguments: ["rescann", "AUTO", "yes", "auto bounce"])
    func `a bad rung counts as none`(value: String) {
        let configuration = parse("[GPU]\nResidue=rescan\nResidue=\(value)")
        #expect(configuration.sections.first?.residue == .refuse)
        #expect(configuration.warnings.map(\.place.line) == [3])
    }

    @Test func `a bad wish for one function counts as that wish, one for several cards or for unloading as none`() {
        let configuration = parse("[GPU]\nUnload=yes\nOnlyFunction=2\nMultiple=jes\nUnload=2")
        #expect(configuration.sections.first?.onlyFunction == true)
        #expect(configuration.sections.first?.allowsMultiple == false)
        #expect(configuration.sections.first?.unloadsNative == false)
        #expect(configuration.warnings.map(\.place.line) == [3, 4, 5])
    }

    @Test func `a driver that may not be asked to probe is passed over`() {
        let configuration = parse("[GPU]\nAllowNative=nvidia nouveau snd_hda_intel")
        #expect(configuration.sections.first?.allowedNativeDrivers == ["nouveau"])
        #expect(configuration.warnings.map(\.place.line) == [2, 2])
    }

    @Test func `an empty value goes back to the default`() {
        let configuration = parse(
            """
            [GPU]
            Residue=rescan
            AllowNative=nouveau
            OnlyFunction=yes
            Multiple=yes
            Unload=yes
            Residue=
            AllowNative=
            OnlyFunction=
            Multiple=
            Unload=
            """)
        let section = configuration.sections.first
        #expect(section?.residue == .auto)
        #expect(section?.allowedNativeDrivers == [])
        #expect(section?.onlyFunction == false)
        #expect(section?.allowsMultiple == false)
        #expect(section?.unloadsNative == false)
        #expect(configuration.warnings.isEmpty)
    }

    @Test func `a warning says where, and what is made of it`() {
        let configuration = parse("[GPU]\nResidue=no")
        #expect(
            configuration.warnings.map(\.description) == [
                "/etc/apertured.conf:2: Residue=no is not auto, bounce, rescan or refuse; taken as refuse"
            ])
    }

    @Test func `any bytes are read to the end`() {
        var generator = SystemRandomNumberGenerator()
        let alphabet = Array("[]GPU=\n\r;# \tAddress0:.*X-\u{feff}é")
        for _ in 0..<2000 {
            let text = String(
                (0..<Int.random(in: 0...80, using: &generator)).map { _ in
                    alphabet.randomElement(using: &generator) ?? "="
                })
            let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).count
            let configuration = parse(text)
            #expect(configuration.warnings.allSatisfy { (1...lines).contains($0.place.line) })
        }
    }
}
