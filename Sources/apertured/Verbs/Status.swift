internal import Aperture
internal import JSONFormat
internal import KernelFiles
internal import Reclaim
internal import Record

/// Lists the GPUs, their drivers, and what holds which BAR.
struct Status: Verb {
    /// The GPUs; all of them when empty.
    var addresses: [PCIAddress] = []
    var verbose = false
    var map = false
    var json = false
    var tree = FileTree()

    func run() throws(ExitStatus) {
        let snapshot: Snapshot
        do {
            snapshot = try host.snapshot(scope, withHolders: true)
        } catch {
            Terminal.complain("apertured: \(error)")
            throw ExitStatus.failed
        }
        let wanted = addresses.isEmpty ? snapshot.gpus.map(\.address).sorted() : addresses
        let rows = wanted.map { address in
            GPUStatus(
                plan: Planner.plan(for: address, in: snapshot), snapshot: snapshot, claim: claim(of: address))
        }
        if json {
            Terminal.print(StatusDocument(rows).json.text)
        } else if rows.isEmpty {
            // Unreadable GPUs are named below.
            if snapshot.unreadable.isEmpty { Terminal.print("No GPUs.") }
        } else {
            let found = rows.filter { $0.plan.gpu?.pciClass.isGPU == true }
            if !found.isEmpty {
                Terminal.print(
                    StatusTable(found, width: Terminal.columns, isColored: Terminal.isColored).text, terminator: "")
            }
            if verbose { found.forEach { Terminal.print(WitnessText($0.plan).text, terminator: "") } }
            if map { found.forEach { Terminal.print(drawing(of: $0, snapshot), terminator: "") } }
        }
        try complain(snapshot, rows)
    }

    /// For one GPU the others are not read.
    private var scope: SnapshotScope {
        guard addresses.count == 1, let only = addresses.first else { return .all }
        return .watch(only)
    }

    private func claim(of address: PCIAddress) -> GPUStatus.Claim {
        do {
            guard let record = try host.record(of: address), record.state == .claimed else { return .none }
            return .complete(record)
        } catch {
            return .unknown
        }
    }

    private func drawing(of row: GPUStatus, _ snapshot: Snapshot) -> String {
        AddressMap(row.plan, snapshot.memoryMap, width: Terminal.columns ?? 80, isColored: Terminal.isColored).text
    }

    private func complain(_ snapshot: Snapshot, _ rows: [GPUStatus]) throws(ExitStatus) {
        for device in snapshot.unreadable where addresses.isEmpty {
            Terminal.complain("apertured: \(device.address) could not be read: \(device.reason)")
        }
        for device in snapshot.platformFramebuffers where addresses.isEmpty {
            guard let reason = device.unreadable else { continue }
            Terminal.complain("apertured: \(device.name) could not be read: \(reason)")
        }
        for console in snapshot.consoles where addresses.isEmpty {
            guard let reason = console.unreadable else { continue }
            Terminal.complain("apertured: vtcon\(console.number) could not be read: \(reason)")
        }
        if case .entries = snapshot.memoryMap {
        } else if let refusal = rows.lazy.flatMap(\.plan.refusals).first(where: {
            $0.code == .iomemMasked || $0.code == .iomemUnreadable
        }) {
            Terminal.complain("apertured: it is not known what is in the BARs: \(refusal)")
        }
        let unknown = rows.flatMap(\.plan.refusals).filter {
            $0.code == .noSuchDevice || $0.code == .notADisplayDevice || $0.code == .deviceUnreadable
        }
        unknown.forEach { Terminal.complain("apertured: refused: \($0)") }
        if !unknown.isEmpty { throw ExitStatus.refused }
    }
}
