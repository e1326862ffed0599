internal import Aperture
internal import Enabling
internal import JSONFormat
internal import Journal
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
    /// Whether to show it again after each change.
    var watches = false
    var tree = FileTree()

    func run() throws(ExitStatus) {
        if watches { return try watch() }
        let view = try look()
        Terminal.print(view.text, terminator: "")
        view.messages.forEach(Terminal.show)
        if view.isRefused { throw ExitStatus.refused }
    }

    /// What is to be shown.
    private struct View: Equatable {
        var text = ""
        var messages: [Terminal.Message] = []
        /// Whether a GPU that was asked for is none, or cannot be read.
        var isRefused = false
    }

    private func look() throws(ExitStatus) -> View {
        let snapshot: Snapshot
        do {
            snapshot = try host.snapshot(scope, withHolders: true)
        } catch {
            // The next change may mend it.
            if watches { return View(messages: [Terminal.Message(.error, "\(error)")]) }
            Terminal.fail(error)
            throw ExitStatus.failed
        }
        let wanted = addresses.isEmpty ? snapshot.gpus.map(\.address).sorted() : addresses
        let enablements = EnablementReader(tree: tree)
        let rows = wanted.map { address in
            GPUStatus(
                plan: Planner.plan(for: address, in: snapshot), snapshot: snapshot,
                claim: GPUStatus.Claim(of: address, on: host), enablement: enablements.read(address))
        }
        var view = View()
        if json {
            let document = StatusDocument(rows).json
            view.text = (watches ? document.line : document.text) + "\n"
        } else if rows.isEmpty {
            // Unreadable GPUs are named below.
            if snapshot.unreadable.isEmpty { view.text = "No GPUs.\n" }
        } else {
            let found = rows.filter { $0.plan.gpu?.pciClass.isGPU == true }
            if !found.isEmpty {
                view.text = StatusTable(found, width: Terminal.columns, isColored: Terminal.isColored).text
            }
            if verbose { view.text += found.map { WitnessText($0.plan).text }.joined() }
            if map { view.text += found.map { drawing(of: $0, snapshot) }.joined() }
        }
        complain(snapshot, rows, &view)
        return view
    }

    /// Shows the status again whenever it has changed, until a signal comes.
    private func watch() throws(ExitStatus) {
        do {
            var watch = try StatusWatch(tree)
            let screen = json ? nil : Screen()
            var last: View?
            repeat {
                let view = try look()
                if view != last || screen != nil {
                    if let screen {
                        screen.show(view.text + view.messages.map(\.lines).joined())
                    } else {
                        // Two tables in a pipe have an empty line between them.
                        Terminal.print((last == nil || json ? "" : "\n") + view.text, terminator: "")
                        view.messages.forEach(Terminal.show)
                    }
                }
                if unsafe Terminal.hasLostOutput { throw ExitStatus.failed }
                last = view
            } while try watch.next() != .stop
        } catch let status as ExitStatus {
            throw status
        } catch {
            Terminal.fail("changes cannot be watched: \(error)")
            throw ExitStatus.failed
        }
    }

    /// For one GPU the others are not read.
    private var scope: SnapshotScope {
        guard addresses.count == 1, let only = addresses.first else { return .all }
        return .watch(only)
    }

    private func drawing(of row: GPUStatus, _ snapshot: Snapshot) -> String {
        AddressMap(row.plan, snapshot.memoryMap, width: Terminal.columns ?? 80, isColored: Terminal.isColored).text
    }

    private func complain(_ snapshot: Snapshot, _ rows: [GPUStatus], _ view: inout View) {
        func warn(_ text: String) { view.messages.append(Terminal.Message(.warning, text)) }
        for device in snapshot.unreadable where addresses.isEmpty {
            warn("\(device.address) could not be read: \(device.reason)")
        }
        for device in snapshot.platformFramebuffers where addresses.isEmpty {
            guard let reason = device.unreadable else { continue }
            warn("\(device.name) could not be read: \(reason)")
        }
        for console in snapshot.consoles where addresses.isEmpty {
            guard let reason = console.unreadable else { continue }
            warn("vtcon\(console.number) could not be read: \(reason)")
        }
        if let hidden = ReadingVerb.whatIsHidden(tree) {
            warn(hidden)
        } else if case .entries = snapshot.memoryMap {
        } else if let refusal = rows.lazy.flatMap(\.plan.refusals).first(where: {
            $0.code == .iomemMasked || $0.code == .iomemUnreadable
        }) {
            warn("it is not known what is in the BARs: \(refusal)")
        }
        let unknown = rows.flatMap(\.plan.refusals).filter {
            $0.code == .noSuchDevice || $0.code == .notADisplayDevice || $0.code == .deviceUnreadable
        }
        view.messages += unknown.map { Terminal.Message(.refusal, "\($0)") }
        view.isRefused = !unknown.isEmpty
    }
}
