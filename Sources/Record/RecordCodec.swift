internal import Aperture
internal import JSONFormat

/// Writes a record as JSON, and reads it. What is read is not trusted: whoever can write the file must not gain a write
/// to anything but the card's own devices.
package enum RecordCodec {
    /// A record that cannot be used.
    package struct Failure: Error, Hashable, Sendable {
        /// Why, with the place in the record: a clause without a full stop.
        package let reason: String
    }

    /// The newest version of the format. It is raised when an older program would misread a record. A program of
    /// version 1 takes every VFIO driver for vfio-pci, so a record without another driver is still written as version
    /// 1, and an older program can finish its claim.
    package static let version = 2

    private static func version(of record: ClaimRecord) -> Int {
        let functions = record.prior.functions + record.start.functions
        return functions.allSatisfy { $0.vfioDriver == VFIODrivers.generic } ? 1 : version
    }

    // MARK: - Writing

    /// The record as JSON text, with a line feed at its end.
    package static func encode(_ record: ClaimRecord) -> [UInt8] {
        let json = JSON.object([
            "version": .number(version(of: record)),
            "gpu": .string(record.gpu.description),
            "state": .string(record.state.rawValue),
            "wasClaimed": .bool(record.wasClaimed),
            "prior": encode(record.prior),
            "start": encode(record.start),
            "nativeDrivers": .array(record.nativeDrivers.sorted().map { .string($0) }),
            "unloadedModules": .array(record.unloadedModules.map { .string($0) }),
            "steps": .array(record.marks.map(encode)),
            "stuckWrite": record.stuckWrite.map(encode) ?? .null,
            "device": .string(record.device.map { "\($0)" }),
            "since": record.since.map { .number(Int($0)) } ?? .null,
            "proof": record.proof.map { .object(["time": .number(Int($0.time)), "bars": .number($0.bars)]) } ?? .null,
            "unit": .string(record.unit),
            "stoppedUnits": .array(record.stoppedUnits.map { .string($0) }),
        ])
        return Array((json.text + "\n").utf8)
    }

    private static func encode(_ state: PriorState) -> JSON {
        .object([
            "functions": .array(
                state.functions.map { function in
                    .object([
                        "address": .string(function.address.description),
                        "driver": .string(function.driver),
                        "driverOverride": .string(function.driverOverride),
                        "awaitsProbe": .bool(function.awaitsProbe),
                        "vfioDriver": .string(function.vfioDriver),
                        "bars": .array(
                            function.bars.sorted { $0.key < $1.key }.map { bar in
                                .object(["bar": .number(bar.key), "range": encode(bar.value)])
                            }),
                    ])
                }),
            "framebuffers": .array(
                state.framebuffers.map { framebuffer in
                    .object([
                        "name": .string(framebuffer.name),
                        "driver": .string(framebuffer.driver),
                        "driverOverride": .string(framebuffer.driverOverride),
                        "range": framebuffer.range.map(encode) ?? .null,
                        "ownsRange": .bool(framebuffer.ownsRange),
                    ])
                }),
            "consoles": .array(state.consoles.map { .number($0) }),
        ])
    }

    private static func encode(_ range: AddressRange) -> JSON {
        .object(["start": .string("\(Hex(range.start))"), "end": .string("\(Hex(range.last))")])
    }

    private static func encode(_ mark: ClaimRecord.Mark) -> JSON {
        .object([
            "action": .string(mark.action), "target": .string(mark.target), "path": .string(mark.path),
            "value": .string(mark.value),
        ])
    }

    private static func encode(_ write: ClaimRecord.StuckWrite) -> JSON {
        .object([
            "path": .string(write.path), "process": .number(Int(write.process)),
            "started": .string("\(write.started)"),
        ])
    }

    // MARK: - Reading

    /// Reads a record of any version up to ``version``.
    /// - Throws: For text that is not JSON, a field that is missing or has another type, and a name that no record of
    ///   this program can have.
    package static func decode(_ bytes: [UInt8]) throws(Failure) -> ClaimRecord {
        let fields: RecordFields
        do {
            fields = RecordFields(try JSONParser.parse(bytes), at: "record")
        } catch {
            throw Failure(reason: "it is not JSON at byte \(error.offset): \(error.expected) was expected")
        }
        let version = try fields.number("version")
        guard (1...Self.version).contains(version) else {
            throw Failure(reason: "its version is \(version), and only 1 to \(Self.version) are known")
        }
        let gpu = try fields.address("gpu")
        guard let state = ClaimRecord.State(rawValue: try fields.string("state")) else {
            throw Failure(reason: "its state is unknown")
        }
        let drivers = try fields.array("nativeDrivers").map { (item) throws(Failure) in try item.name() }
        var record = ClaimRecord(
            gpu: gpu, state: state, prior: try priorState(fields.object("prior"), of: gpu),
            start: try priorState(fields.object("start"), of: gpu), wasClaimed: try fields.bool("wasClaimed"),
            nativeDrivers: Set(drivers), unloadedModules: try modules(fields),
            marks: try fields.array("steps").map { (item) throws(Failure) in try mark(item) },
            stuckWrite: try fields.optional("stuckWrite").map { (item) throws(Failure) in try stuckWrite(item) },
            device: try fields.optional("device").map { (item) throws(Failure) in try item.number64() })
        // A program that wrote no times and no units had no such fields.
        record.since = try fields.optionalIfPresent("since").map { (item) throws(Failure) in Int64(try item.number()) }
        record.proof = try fields.optionalIfPresent("proof").map { (item) throws(Failure) in
            ClaimRecord.Proof(time: Int64(try item.number("time")), bars: try item.number("bars"))
        }
        record.unit = try fields.optionalIfPresent("unit")?.name()
        record.stoppedUnits = try services(fields)
        return record
    }

    /// Empty for a record of a program that unloaded no modules yet.
    private static func modules(_ fields: RecordFields) throws(Failure) -> [String] {
        try fields.arrayIfPresent("unloadedModules").map { (item) throws(Failure) in
            let name = try item.name()
            guard NvidiaModules.names.contains(name) else {
                throw Failure(reason: "\(item.place) names \(name), which is not a module that a claim unloads")
            }
            return name
        }
    }

    /// Empty for a record of a program that stopped no services yet.
    private static func services(_ fields: RecordFields) throws(Failure) -> [String] {
        try fields.arrayIfPresent("stoppedUnits").map { (item) throws(Failure) in
            let name = try item.string()
            guard ServiceName.objection(to: name) == nil else {
                throw Failure(reason: "\(item.place) is not the name of a service that a claim stops")
            }
            return name
        }
    }

    private static func priorState(_ fields: RecordFields, of gpu: PCIAddress) throws(Failure) -> PriorState {
        PriorState(
            functions: try fields.array("functions").map { (item) throws(Failure) in try function(item, of: gpu) },
            framebuffers: try fields.array("framebuffers").map { (item) throws(Failure) in try framebuffer(item) },
            consoles: try fields.array("consoles").map { (item) throws(Failure) in try item.console() })
    }

    private static func function(_ fields: RecordFields, of gpu: PCIAddress) throws(Failure) -> PriorState.Function {
        let address = try fields.address("address")
        guard address.sharesSlot(with: gpu) else {
            throw Failure(reason: "\(fields.place) names \(address), which is not in the slot of \(gpu)")
        }
        var bars: [Int: AddressRange] = [:]
        for bar in try fields.array("bars") { bars[try bar.number("bar")] = try bar.object("range").range() }
        return PriorState.Function(
            address: address, driver: try fields.optionalName("driver"),
            driverOverride: try fields.optionalName("driverOverride"), bars: bars,
            awaitsProbe: try fields.bool("awaitsProbe"), vfioDriver: try vfioDriver(fields))
    }

    /// Version 1 has no such field: it knew only vfio-pci. A driver that is not VFIO's is refused, as it would be
    /// unbound.
    private static func vfioDriver(_ fields: RecordFields) throws(Failure) -> String {
        guard fields.has("vfioDriver") else { return VFIODrivers.generic }
        let name = try fields.object("vfioDriver").name()
        guard VFIODrivers.isNamed(name) else {
            throw Failure(reason: "\(fields.place) names \(name), which is not a VFIO driver")
        }
        return name
    }

    private static func framebuffer(_ fields: RecordFields) throws(Failure) -> PriorState.Framebuffer {
        let name = try fields.object("name").name()
        guard PlatformFramebuffer.isFramebuffer(name: name) else {
            throw Failure(reason: "\(fields.place) names \(name), which is not a firmware framebuffer")
        }
        let driver = try fields.optionalName("driver")
        if let driver, !FramebufferDriver.isPlatformDriver(driver) {
            throw Failure(reason: "\(fields.place) names \(driver), which is not a driver of firmware framebuffers")
        }
        return PriorState.Framebuffer(
            name: name, driver: driver, driverOverride: try fields.optionalName("driverOverride"),
            range: try fields.optional("range")?.range(), ownsRange: try fields.bool("ownsRange"))
    }

    private static func mark(_ fields: RecordFields) throws(Failure) -> ClaimRecord.Mark {
        ClaimRecord.Mark(
            action: try fields.string("action"), target: try fields.string("target"), path: try fields.string("path"),
            value: try fields.string("value"))
    }

    private static func stuckWrite(_ fields: RecordFields) throws(Failure) -> ClaimRecord.StuckWrite {
        guard let process = Int32(exactly: try fields.number("process")), process > 0 else {
            throw Failure(reason: "\(fields.place) names no process")
        }
        return ClaimRecord.StuckWrite(
            path: try fields.string("path"), process: process, started: try fields.object("started").number64())
    }
}
