internal import Aperture
internal import CLinux
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
    /// Whether to print Prometheus' metrics.
    var metrics = false
    /// Whether to print the labels of node-feature-discovery.
    var nodeFeatures = false
    /// The file that gets the metrics or the labels; `nil` for the standard output.
    var output: String?
    /// What a probe asks; `nil` without a probe.
    var probe: ProbeKind?
    var tree = FileTree()

    func run() throws(ExitStatus) {
        if let probe { return try answer(probe) }
        if watches { return try watch() }
        if let output { return try write(to: output) }
        let view = try look()
        Terminal.print(view.text, terminator: "")
        view.messages.forEach(Terminal.show)
        if view.isRefused { throw ExitStatus.refused }
    }

    private func answer(_ kind: ProbeKind) throws(ExitStatus) {
        do {
            if let complaint = try Probe(kind: kind, addresses: addresses, host: host).complaint() {
                Terminal.fail(complaint)
                throw ExitStatus.failed
            }
        } catch let status as ExitStatus {
            throw status
        } catch {
            Terminal.fail(error)
            throw ExitStatus.failed
        }
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
        let rows = GPUStatus.rows(of: wanted, in: snapshot, on: host)
        var view = View()
        if metrics {
            view.text = MetricsText(rows, in: snapshot, isAll: addresses.isEmpty, on: tree, time: host.time()).text
        } else if nodeFeatures {
            view.text = try labels(rows, snapshot)
        } else if json {
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

    private func labels(_ rows: [GPUStatus], _ snapshot: Snapshot) throws(ExitStatus) -> String {
        let unreadable = addresses.isEmpty ? snapshot.unreadable.count : 0
        do {
            return try NodeFeatures(rows, unreadable: unreadable, expiry: host.time() + NodeFeatures.day).checked()
        } catch {
            Terminal.fail(error)
            throw ExitStatus.failed
        }
    }

    /// Writes the metrics or the labels to a file, which stays as it is when they cannot be told.
    private func write(to path: String) throws(ExitStatus) {
        clinux_hold_interruptions()
        do {
            // A run that keeps the same file new must not lose to this one, if this one has read earlier.
            let store = CounterStore(tree: tree)
            let lock =
                store.exists && ReadingVerb.whatIsHidden(tree) == nil
                ? try store.lock(within: MetricsFiles.lockDeadline) : nil
            let view = try look()
            view.messages.forEach(Terminal.show)
            if view.isRefused { throw ExitStatus.refused }
            try PublishedFile(path: path, tree: nil).write(view.text)
            // The lock is held until here.
            _ = consume lock
        } catch let status as ExitStatus {
            throw status
        } catch {
            Terminal.fail(error)
            throw ExitStatus.failed
        }
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
