import Aperture
import SystemPackage
import Testing
import VFIO

private let gpu = function(0)
private let audio = function(1)

private func function(_ number: UInt8) -> PCIAddress {
    guard let address = PCIAddress(bus: 1, device: 0, function: number) else { preconditionFailure("\(number)") }
    return address
}

private let megabytes16: UInt64 = 16 << 20

private typealias BAR = ScriptedVFIO.BAR
private typealias Function = ScriptedVFIO.Function

private func card(_ bars: [Int: BAR]? = nil) -> Function {
    Function(
        address: gpu,
        bars: bars ?? [
            0: BAR(size: megabytes16), 2: BAR(kind: .memory, size: 4096),
            5: BAR(kind: .ports, size: 128, canMap: false),
        ])
}

private func target(_ bars: [Int: UInt64]? = [0: megabytes16, 2: 4096], group: Int? = 12) -> ProofTarget {
    ProofTarget(address: gpu, group: group, bars: bars)
}

private func prove(_ calls: ScriptedVFIO, _ targets: [ProofTarget] = [target()]) throws -> [RegionProof] {
    let proofs = try Prover(calls: calls, pageSize: Int(ScriptedVFIO.page)).prove(targets)
    #expect(calls.isSettled)
    return proofs
}

@Suite("Prover")
struct ProverTests {
    @Test("What no row and no register tells of is sized: a BAR without room is missing, and nothing else is")
    func sized() throws {
        let wide = BAR(kind: .prefetchable, size: megabytes16)
        var function = card([0: wide])
        // The upper half of BAR 0 is not asked; BAR 2 is 32-bit memory, 3 are ports, 4 and 5 one 64-bit BAR.
        function.sizes = [2: 0xffff_0000, 3: 0xffff_ff01, 4: 0xf000_000c, 5: 0xffff_ffff]
        let calls = ScriptedVFIO([function])
        calls.nodes.remove("/dev/iommu")
        let targets = [target([0: megabytes16])]
        let proofs = try prove(calls, targets)
        #expect(calls.sized == [2, 3, 4, 5])
        #expect(
            proofs.filter { $0.outcome == .missing }.map { "\($0.bar) \($0.size)" } == ["2 65536", "4 268435456"])
        #expect(ProofComplaint.all(of: targets, proofs).count == 2)
    }

    @Test(
        "Every BAR that a card can have is tried, through each interface",
        arguments: [[0, 1, 2, 3, 4, 5], [0, 2, 4], [1, 3, 5]])
    func everyBAR(_ bars: [Int]) throws {
        // A 64-bit BAR takes the next register as well.
        let kind = bars.count == 6 ? BAR.Kind.memory : .prefetchable
        let function = card(Dictionary(uniqueKeysWithValues: bars.map { ($0, BAR(kind: kind, size: 4096)) }))
        let targets = [target(Dictionary(uniqueKeysWithValues: bars.map { ($0, 4096) }))]
        let proofs = try prove(ScriptedVFIO([function], hasNodes: true), targets)
        #expect(proofs.filter { $0.interface == .group }.map(\.bar) == bars)
        #expect(proofs.filter { $0.interface == .iommufd }.map(\.bar) == bars)
        #expect(proofs.allSatisfy { $0.outcome == .mapped })
        #expect(ProofComplaint.all(of: targets, proofs).isEmpty)
        // The next function's are tried as well, and each that is left out is missed.
        for bar in bars {
            #expect(
                ProofComplaint.all(of: targets, proofs.filter { $0.bar != bar }).first
                    == .untried(targets[0].address, bar: bar))
        }
    }

    @Test("A BAR behind a 32-bit one is tried, whatever comes before", arguments: 0..<5)
    func behind(_ bar: Int) throws {
        let bars = [bar: BAR(kind: .memory, size: 4096), bar + 1: BAR(kind: .memory, size: 8192)]
        #expect(try prove(ScriptedVFIO([card(bars)])).filter { $0.outcome == .mapped }.map(\.bar) == [bar, bar + 1])
    }

    @Test("What cannot be sized is a doubt, no failure, and no BAR")
    func unsized() throws {
        let calls = ScriptedVFIO([card()])
        calls.failures["size"] = .notPermitted
        let proofs = try prove(calls)
        #expect(proofs.filter(\.isDoubt).map(\.bar) == [3])
        #expect(ProofComplaint.all(of: [target()], proofs).isEmpty)
        #expect(BARCount(proofs).description == "2 of 2 BARs mapped")
    }

    @Test("A virtual function's registers are not sized: they read zero")
    func virtual() throws {
        let calls = ScriptedVFIO([card()])
        _ = try prove(calls, [ProofTarget(address: gpu, group: 12, bars: [0: megabytes16, 2: 4096], isVirtual: true)])
        #expect(calls.sized.isEmpty)
    }

    @Test("Through its group, every BAR is mapped, and a word of prefetchable memory read")
    func group() throws {
        let calls = ScriptedVFIO([card()])
        let proofs = try prove(calls)
        #expect(
            proofs.map(\.description) == [
                "0000:01:00.0 BAR 0: mapped 16777216 bytes, read a word [group]",
                "0000:01:00.0 BAR 2: mapped 4096 bytes [group]",
                "0000:01:00.0 BAR 5: 128 I/O ports, which are never mapped [group]",
            ])
        #expect(
            calls.log == [
                "open /dev/vfio/vfio", "open /dev/vfio/12", "device 0000:01:00.0", "map BAR 0 0x0-0x1000000",
                "read BAR 0 0x0", "map BAR 2 0x0-0x1000", "close 0000:01:00.0", "unset container", "close group 12",
                "close container",
            ])
        #expect(ProofComplaint.all(of: [target()], proofs).isEmpty)
        #expect(BARCount(proofs).description == "2 of 2 BARs mapped")
    }

    @Test(
        "Without the group interface the device is bound, attached, given memory, and its BARs mapped",
        arguments: [12, nil])
    func withoutGroup(_ group: Int?) throws {
        let calls = ScriptedVFIO([card()], hasGroups: false, hasNodes: true)
        let proofs = try prove(calls, [target(group: group)])
        #expect(proofs.map(\.interface) == [.iommufd, .iommufd, .iommufd])
        #expect(
            calls.log == [
                "open /dev/iommu", "allocate", "open /dev/vfio/devices/vfio0", "bind", "attach", "map memory",
                "unmap memory", "map BAR 0 0x0-0x1000000", "read BAR 0 0x0", "map BAR 2 0x0-0x1000",
                "close 0000:01:00.0", "close iommufd",
            ])
        #expect(ProofComplaint.all(of: [target()], proofs).isEmpty)
    }

    @Test("With both interfaces each is tried, the node when the group is closed, and a BAR counts once")
    func both() throws {
        let proofs = try prove(ScriptedVFIO([card()], hasNodes: true))
        #expect(proofs.map(\.interface) == [.group, .group, .group, .iommufd, .iommufd, .iommufd])
        #expect(proofs.filter { $0.outcome == .mapped }.count == 4)
        #expect(BARCount(proofs).description == "2 of 2 BARs mapped")
    }

    @Test("A group without its container, as a kernel without VFIO_CONTAINER has it, is no way in")
    func withoutContainer() throws {
        let calls = ScriptedVFIO([card()], hasNodes: true)
        calls.nodes.remove("/dev/vfio/vfio")
        #expect(try prove(calls).allSatisfy { $0.interface == .iommufd })
    }

    @Test("Every function is proven, in one group and in several", arguments: [12, 13])
    func functions(_ group: Int) throws {
        let second = Function(address: audio, group: group, node: "vfio1", bars: [0: BAR(kind: .memory, size: 16384)])
        let targets = [target(), ProofTarget(address: audio, group: group, bars: [0: 16384])]
        let proofs = try prove(ScriptedVFIO([card(), second], hasNodes: true), targets)
        #expect(proofs.filter { $0.address == audio && $0.outcome == .mapped }.map(\.interface) == [.group, .iommufd])
        #expect(ProofComplaint.all(of: targets, proofs).isEmpty)
        #expect(BARCount(proofs).description == "3 of 3 BARs mapped")
    }

    @Test("A function without a group and without a node of its own fails the proof")
    func noInterface() throws {
        let other = ProofTarget(address: audio, group: nil, bars: [:])
        let error = #expect(throws: VFIOError.noInterface(audio)) {
            try prove(ScriptedVFIO([card()], hasNodes: true), [target(), other])
        }
        #expect(error?.description.contains("VFIO cannot open 0000:01:00.1") == true)
    }

    @Test("Without any of VFIO's nodes, the missing one is named")
    func noNodes() throws {
        let error = #expect(throws: VFIOError.self) { try prove(ScriptedVFIO([card()], hasGroups: false)) }
        #expect(error?.description.hasPrefix("open on /dev/vfio/vfio: ") == true)
    }

    @Test("Where the device has its own node and there are no groups, it is /dev/iommu that is missing")
    func noIOMMU() throws {
        let calls = ScriptedVFIO([card()], hasGroups: false, hasNodes: true)
        calls.nodes.remove("/dev/iommu")
        let error = #expect(throws: VFIOError.self) { try prove(calls) }
        #expect(error?.description.hasPrefix("open on /dev/iommu: ") == true)
        #expect(error?.description.hasSuffix("is the iommufd module loaded?") == true)
    }

    @Test("A group with a device that is not VFIO's is not viable, and that is said")
    func notViable() throws {
        let calls = ScriptedVFIO([card()])
        calls.isViable = false
        let error = #expect(
            throws: VFIOError(call: "VFIO_GROUP_GET_STATUS", target: "/dev/vfio/12", errno: .notPermitted)
        ) {
            try prove(calls)
        }
        #expect(error?.description.contains("bound to a host driver") == true)
        #expect(calls.isSettled)
    }

    struct Failure: CustomTestStringConvertible {
        let call: String
        let errno: Errno
        let error: VFIOError
        var throughNode = false
        var testDescription: String { call }

        init(_ call: String, _ errno: Errno, on target: String, as name: String? = nil, throughNode: Bool = false) {
            self.call = call
            self.errno = errno
            self.throughNode = throughNode
            error = VFIOError(call: name ?? call, target: target, errno: errno)
        }
    }

    @Test(
        "A call that fails is named, with what it was made on, and nothing stays open",
        arguments: [
            Failure("list", .ioError, on: "/sys/bus/pci/devices/0000:01:00.0/vfio-dev"),
            Failure("/dev/vfio/vfio", .permissionDenied, on: "/dev/vfio/vfio", as: "open"),
            Failure("VFIO_GET_API_VERSION", .invalidArgument, on: "/dev/vfio/vfio"),
            Failure("VFIO_CHECK_EXTENSION", .invalidArgument, on: "/dev/vfio/vfio"),
            Failure("/dev/vfio/12", .resourceBusy, on: "/dev/vfio/12", as: "open"),
            Failure("VFIO_GROUP_GET_STATUS", .invalidArgument, on: "/dev/vfio/12"),
            Failure("VFIO_GROUP_SET_CONTAINER", .invalidArgument, on: "/dev/vfio/12"),
            Failure("VFIO_SET_IOMMU", .resourceBusy, on: "/dev/vfio/12"),
            Failure("VFIO_GROUP_GET_DEVICE_FD", .resourceBusy, on: "0000:01:00.0"),
            Failure("VFIO_GROUP_UNSET_CONTAINER", .resourceBusy, on: "/dev/vfio/12"),
            Failure("VFIO_DEVICE_GET_INFO", .ioError, on: "0000:01:00.0"),
            Failure("VFIO_DEVICE_GET_REGION_INFO", .badMessage, on: "0000:01:00.0 BAR 0"),
            Failure("read", .ioError, on: "0000:01:00.0 configuration at 0x0"),
            Failure("/dev/iommu", .permissionDenied, on: "/dev/iommu", as: "open", throughNode: true),
            Failure("IOMMU_IOAS_ALLOC", .noMemory, on: "/dev/iommu", throughNode: true),
            Failure(
                "/dev/vfio/devices/vfio0", .permissionDenied, on: "/dev/vfio/devices/vfio0", as: "open",
                throughNode: true),
            Failure("VFIO_DEVICE_BIND_IOMMUFD", .resourceBusy, on: "/dev/vfio/devices/vfio0", throughNode: true),
            Failure(
                "VFIO_DEVICE_ATTACH_IOMMUFD_PT", .invalidArgument, on: "/dev/vfio/devices/vfio0", throughNode: true),
            Failure("IOMMU_IOAS_MAP", .noMemory, on: "/dev/iommu for 0000:01:00.0", throughNode: true),
            Failure("IOMMU_IOAS_UNMAP", .noSuchFileOrDirectory, on: "/dev/iommu for 0000:01:00.0", throughNode: true),
        ])
    func failures(_ row: Failure) throws {
        let calls = ScriptedVFIO([card()], hasGroups: !row.throughNode, hasNodes: row.throughNode)
        calls.failures = [row.call: row.errno]
        #expect(throws: row.error) { try prove(calls) }
        #expect(calls.isSettled)
    }

    @Test("A card whose configuration reads all ones fails the proof", arguments: [true, false])
    func silent(_ isVirtual: Bool) throws {
        var function = card()
        // The ids of a virtual function are the kernel's.
        if !isVirtual { function.identifiers = .max }
        function.revisionAndClass = .max
        let calls = ScriptedVFIO([function])
        let error = #expect(throws: VFIOError.silent(gpu)) { try prove(calls) }
        #expect(error?.description.hasPrefix("0000:01:00.0 does not answer") == true)
        #expect(!calls.log.contains { $0.hasPrefix("map") || $0.hasPrefix("read") })
        #expect(calls.isSettled)
    }
}

@Suite("The proof of a BAR")
struct BARProofTests {
    struct Row: CustomTestStringConvertible {
        let name: String
        let bar: ScriptedVFIO.BAR?
        let outcome: RegionProof.Outcome
        let fails: Bool
        let text: String
        var testDescription: String { name }

        fileprivate init(_ name: String, _ bar: BAR?, _ outcome: RegionProof.Outcome, fails: Bool, _ text: String) {
            self.name = name
            self.bar = bar
            self.outcome = outcome
            self.fails = fails
            self.text = text
        }
    }

    /// BAR 2 of a card whose BAR 0 is mapped, and that is known to have both.
    @Test(
        "What VFIO makes of a BAR",
        arguments: [
            Row("mapped", BAR(kind: .memory, size: 4096), .mapped, fails: false, "mapped 4096 bytes [group]"),
            Row("no room", nil, .missing, fails: true, "missing: the card has it, with 4096 bytes, but VFIO does not"),
            Row(
                "claimed by another, at mmap", BAR(kind: .memory, size: 4096, mapError: .resourceBusy),
                .failed(.resourceBusy), fails: true, "cannot map 4096 bytes: Device or resource busy (errno 16)"),
            Row(
                "claimed by another, at pread", BAR(size: 4096, readError: .resourceBusy), .unreadable(.resourceBusy),
                fails: true, "cannot read 4096 bytes: Device or resource busy (errno 16)"),
            Row(
                "does not answer to its memory", BAR(size: 4096, readError: .ioError), .unreadable(.ioError),
                fails: true,
                "cannot read 4096 bytes: Input/output error (errno 5)"),
            Row(
                "a read would have side effects", BAR(kind: .memory, size: 4096, readError: .ioError), .mapped,
                fails: false, "mapped 4096 bytes [group]"),
            Row(
                "a page, and not mappable", BAR(kind: .memory, size: 4096, canMap: false), .notMappable, fails: true,
                "VFIO offers no mapping of its 4096 bytes"),
            Row(
                "shares its page", BAR(kind: .memory, size: 256, canMap: false), .smallerThanPage, fails: false,
                "not mapped: its 256 bytes are less than a page"),
            Row(
                "shares its page, and is claimed by another",
                BAR(size: 256, canMap: false, readError: .resourceBusy), .unreadable(.resourceBusy), fails: true,
                "cannot read 256 bytes"),
            Row(
                "only pieces, and none of them", BAR(kind: .memory, size: 8192, areas: []), .notMappable, fails: true,
                "VFIO offers no mapping of its 8192 bytes"),
            Row(
                "a piece beyond its end", BAR(kind: .memory, size: 4096, areas: [0..<8192]), .failed(.invalidArgument),
                fails: true, "cannot map 4096 bytes: Invalid argument (errno 22)"),
        ])
    func outcomes(_ row: Row) throws {
        var bars = [0: BAR(size: megabytes16)]
        bars[2] = row.bar
        let proofs = try prove(ScriptedVFIO([card(bars)]))
        let proof = try #require(proofs.first { $0.bar == 2 })
        #expect(proofs.count == 2)
        #expect(proof.outcome == row.outcome)
        #expect(proof.description.contains(row.text))
        #expect(ProofComplaint.all(of: [target()], proofs) == (row.fails ? [.region(proof)] : []))
        #expect(BARCount(proofs) == BARCount(total: 2, mapped: row.outcome == .mapped ? 2 : 1))
    }

    @Test("A BAR beyond the regions that the device has is missing")
    func fewRegions() throws {
        var function = card()
        function.regions = 2
        #expect(try prove(ScriptedVFIO([function])).map(\.outcome) == [.mapped, .missing])
    }

    @Test("A BAR that was not known is mapped and counted")
    func unknown() throws {
        let proofs = try prove(ScriptedVFIO([card()]), [target([0: megabytes16])])
        #expect(BARCount(proofs).description == "2 of 2 BARs mapped")
    }

    struct Table: CustomTestStringConvertible {
        let name: String
        let bar: ScriptedVFIO.BAR
        let start: UInt64
        var entries: UInt32 = 4
        let pieces: [String]
        let text: String
        var testDescription: String { name }
    }

    @Test(
        "What VFIO keeps back of a BAR is said, and the rest is mapped",
        arguments: [
            Table(
                name: "the table can be mapped (4.16 and later)", bar: BAR(kind: .memory, size: 0x4000), start: 0x2000,
                pieces: ["map BAR 0 0x0-0x4000"],
                text: "mapped 16384 bytes, 64 bytes at 0x2000 (MSI-X table) kept back from reads and writes [group]"),
            Table(
                name: "the table cannot", bar: BAR(kind: .memory, size: 0x4000, canMapMSIX: false), start: 0x2800,
                pieces: ["map BAR 0 0x0-0x2000", "map BAR 0 0x3000-0x4000"],
                text: "mapped 16384 bytes, all but 4096 bytes at 0x2000 (MSI-X table) [group]"),
            Table(
                name: "the table cannot, at the start, and the read goes behind it",
                bar: BAR(size: 0x4000, canMapMSIX: false), start: 0,
                pieces: ["map BAR 0 0x1000-0x4000", "read BAR 0 0x1000"],
                text: "mapped 16384 bytes, all but 4096 bytes at 0x0 (MSI-X table), read a word [group]"),
            Table(
                name: "the table can, at the start, and the read goes behind it", bar: BAR(size: 0x4000), start: 0,
                pieces: ["map BAR 0 0x0-0x4000", "read BAR 0 0x40"],
                text: "mapped 16384 bytes, 64 bytes at 0x0 (MSI-X table) kept back from reads and writes, read a word"),
            Table(
                name: "the table fills the BAR, and no word is read", bar: BAR(size: 0x1000), start: 0, entries: 256,
                pieces: ["map BAR 0 0x0-0x1000"],
                text: "mapped 4096 bytes, 4096 bytes at 0x0 (MSI-X table) kept back from reads and writes [group]"),
            Table(
                name: "the table fills the BAR, and cannot be mapped",
                bar: BAR(kind: .memory, size: 0x1000, canMapMSIX: false), start: 0, pieces: [],
                text: "VFIO offers no mapping of its 4096 bytes [group]"),
            Table(
                name: "pieces, with the table between them",
                bar: BAR(size: 0x4000, areas: [0x3000..<0x4000, 0..<0x1000]), start: 0x2000,
                pieces: ["map BAR 0 0x0-0x1000", "map BAR 0 0x3000-0x4000", "read BAR 0 0x0"],
                text: "mapped 16384 bytes, all but 8192 bytes at 0x1000 (MSI-X table), read a word [group]"),
            Table(
                name: "pieces, with something else at both ends",
                bar: BAR(size: 0x4000, areas: [0x1000..<0x3000]), start: 0x2000,
                pieces: ["map BAR 0 0x1000-0x3000", "read BAR 0 0x1000"],
                text: "mapped 16384 bytes, all but 4096 bytes at 0x0, all but 4096 bytes at 0x3000, 64 bytes at 0x2000 "
                    + "(MSI-X table) kept back from reads and writes, read a word [group]"),
        ])
    func keptBack(_ row: Table) throws {
        var function = card([0: row.bar])
        function.msix = (0, row.start, row.entries)
        let calls = ScriptedVFIO([function])
        let proof = try #require(try prove(calls, [target([0: row.bar.size])]).first)
        #expect(proof.description.contains(row.text))
        #expect(calls.log.filter { $0.hasPrefix("map") || $0.hasPrefix("read") } == row.pieces)
    }

    @Test("A table in another BAR is no matter of this one")
    func otherBAR() throws {
        var function = card()
        function.msix = (2, 0, 4)
        let proofs = try prove(ScriptedVFIO([function]))
        #expect(proofs.map { $0.keptBack.count } == [0, 1, 0])
    }

    @Test("A capability list that leads in a circle is left")
    func circle() throws {
        var function = card()
        function.biteItsTail = true
        #expect(try prove(ScriptedVFIO([function])).map(\.keptBack.isEmpty) == [true, true, true])
    }
}

@Suite("Whether it is proven")
struct ProofComplaintTests {
    private let mapped = RegionProof(address: gpu, interface: .group, bar: 0, size: megabytes16, outcome: .mapped)

    @Test("A BAR that the card has and nobody tried is no proof")
    func untried() {
        let complaints = ProofComplaint.all(of: [target()], [mapped])
        #expect(complaints == [.untried(gpu, bar: 2)])
        #expect(complaints.map(\.description) == ["0000:01:00.0 BAR 2 was not tried"])
    }

    @Test("A BAR of one function does not stand for the same BAR of another")
    func otherFunction() {
        let other = ProofTarget(address: audio, group: 12, bars: [0: 4096])
        #expect(ProofComplaint.all(of: [target([0: megabytes16]), other], [mapped]) == [.untried(audio, bar: 0)])
    }

    @Test("Where the set of BARs is not known, mapping all that VFIO gives is no proof")
    func unknown() {
        let complaints = ProofComplaint.all(of: [target(nil)], [mapped])
        #expect(complaints == [.unknownBARs(gpu)])
        #expect(complaints.first?.description.contains("not known which BARs 0000:01:00.0 has") == true)
    }

    @Test("Nothing mapped is no proof, also of nothing", arguments: [[target([:])], []])
    func nothing(_ targets: [ProofTarget]) {
        #expect(ProofComplaint.all(of: targets, []) == [.nothingMapped])
    }

    @Test("A function of a card may have no BAR")
    func none() {
        let other = ProofTarget(address: audio, group: 12, bars: [:])
        #expect(ProofComplaint.all(of: [target([0: megabytes16]), other], [mapped]).isEmpty)
    }

    @Test("One BAR is counted in the singular")
    func one() {
        #expect(BARCount([mapped]).description == "1 of 1 BAR mapped")
        #expect(BARCount([]).description == "0 of 0 BARs mapped")
    }

    @Test("A BAR that one interface maps and the other does not is not mapped")
    func halfMapped() {
        let failed = RegionProof(
            address: gpu, interface: .iommufd, bar: 0, size: megabytes16, outcome: .failed(.resourceBusy))
        #expect(BARCount([mapped, failed]).description == "0 of 1 BAR mapped")
        #expect(ProofComplaint.all(of: [target([0: megabytes16])], [mapped, failed]) == [.region(failed)])
    }
}
