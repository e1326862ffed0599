package import Aperture
internal import Configuration
internal import Glibc
package import KernelFiles
internal import Reclaim
internal import Record

/// Reads a machine as `plan` and `status` do, and keeps what they read.
///
/// What a report has to contain is exactly what the readers read. So the readers themselves run, with a log, and no list
/// of files has to be kept in step with them.
package struct Survey {
    /// What a plan is made from; empty when the machine could not be read.
    package private(set) var planned = Snapshot()
    /// What the status is made from.
    package private(set) var shown = Snapshot()
    /// Whether the machine could be read. Without that there is no plan and no status, and the report has what was read.
    package private(set) var isRead = false
    /// The GPUs that the report is about.
    package private(set) var gpus: [PCIAddress]
    /// What it could not see, a sentence each.
    package private(set) var gaps: [String] = []

    /// The tree: what is read through it becomes part of the report.
    package var noted: FileTree { tree.noting(in: log) }

    private let tree: FileTree
    private let log = ReadLog()
    private var records: [PCIAddress: [UInt8]?] = [:]

    /// Reads the machine. It writes nothing, and wakes no card but a GPU that is named, as `plan` does.
    /// - Parameter gpu: The GPU that the report is about; all of them without.
    package init(of tree: FileTree, gpu: PCIAddress?) {
        self.tree = tree
        gpus = gpu.map { [$0] } ?? []
        do throws(SnapshotError) {
            try read(gpu)
        } catch {
            gaps.append("The machine could not be read: \(error).")
        }
        do {
            _ = try ConfigurationReader(tree: tree.noting(in: log)).files()
        } catch {
            gaps.append("The configuration could not be read: \(error).")
        }
        for gpu in gpus { readRecord(gpu) }
        findGaps()
    }

    private mutating func read(_ gpu: PCIAddress?) throws(SnapshotError) {
        let host = MachineHost(tree: tree.noting(in: log))
        planned = try host.snapshot(gpu.map(SnapshotScope.claim) ?? .all, withHolders: true)
        shown = planned
        if let gpu { shown = try host.snapshot(.watch(gpu), withHolders: true) }
        if gpu == nil { gpus = planned.gpus.map(\.address).sorted() }
        isRead = true
    }

    private mutating func readRecord(_ gpu: PCIAddress) {
        let file = "\(RecordStore.folder)/\(gpu).json"
        do {
            guard try RecordStore(tree: tree).load(gpu) != nil else { return }
            records[gpu] = try tree.regularBytes(file)
        } catch {
            records[gpu] = .some(nil)
            gaps.append("The record of \(gpu) could not be read: \(error).")
        }
    }

    private mutating func findGaps() {
        if tree.isMachine, geteuid() != 0 {
            gaps.append("It was not made by root: what root alone can read is missing.")
        }
        guard isRead else { return }
        switch planned.memoryMap {
        case .entries: break
        case .masked: gaps.append("/proc/iomem shows no addresses: it was not read by root.")
        case .unreadable(let reason): gaps.append("/proc/iomem could not be read: \(reason).")
        }
        if let reason = planned.holdersUnknown { gaps.append("Who has the cards open is not known: \(reason).") }
        for device in planned.unreadable { gaps.append("\(device.address) could not be read: \(device.reason).") }
        for gpu in planned.gpus where gpu.header == nil && gpus.contains(gpu.address) {
            gaps.append(
                "The configuration of \(gpu.address) was not read. If it sleeps, name it on the command line: that wakes it."
            )
        }
    }

    // MARK: - The archive

    /// The folder that everything in the archive is in.
    package static let top = "apertured-report"

    /// A text for the archive beside the files.
    package struct Document {
        /// Its path below ``Survey/top``.
        package let path: String
        /// What it says; it is redacted.
        package let text: String

        /// - Parameter path: Below ``Survey/top``.
        package init(path: String, text: String) {
            self.path = path
            self.text = text
        }
    }

    /// The functions whose addresses are shown: those that were read, the members of their groups, and the bridges above
    /// them.
    private func functions() -> (read: Set<PCIAddress>, shown: Set<PCIAddress>) {
        var read = Set(gpus + planned.functions.map(\.address) + planned.unreadable.map(\.address))
        for function in planned.functions {
            read.formUnion(function.iommuGroup?.members.compactMap { PCIAddress($0.name) } ?? [])
        }
        var shown = read
        for function in read {
            // A device that has gone meanwhile has nothing above it.
            let target = (try? tree.linkTarget(KernelPath.device(function))) ?? nil
            shown.formUnion(target?.split(separator: "/").compactMap { PCIAddress($0) } ?? [])
        }
        return (read, shown)
    }

    /// Everything that the archive contains.
    /// - Parameters:
    ///   - version: The program's version.
    ///   - documents: What it contains beside the files.
    ///   - missing: What else it does not contain, a sentence each.
    package func entries(version: String, _ documents: [Document], missing: [String]) -> [Archive.Entry] {
        let (read, shown) = functions()
        let secrets = Secrets(in: tree)
        let redactor = Redactor(secrets.list, showing: shown)
        let ranges = planned.functions.flatMap { $0.memoryBARs.map(\.range) }
        let excerpt = Excerpt(
            redactor: redactor, ranges: ranges, framebuffers: Set(planned.platformFramebuffers.map(\.name)))
        let capture = Capture(log.readings, in: tree, functions: read, excerpt: excerpt)
        var entries = capture.entries(below: Self.top, redactor)
        entries.append(Archive.Entry(path: Self.top, content: .folder))
        entries += recordEntries(redactor)
        for folder in Set(documents.compactMap { $0.path.split(separator: "/").dropLast().first }) {
            entries.append(Archive.Entry(path: "\(Self.top)/\(folder)", content: .folder))
        }
        for document in documents {
            let text = Array(redactor.text(document.text).utf8)
            entries.append(Archive.Entry(path: "\(Self.top)/\(document.path)", content: .file(text)))
        }
        let page = Guide(
            version: version, gpus: gpus, documents: documents.map(\.path), kernel: planned.kernel?.text,
            gaps: gaps + missing, failures: capture.failures.sorted { $0.key < $1.key }.map(\.value),
            plainNames: secrets.plain)
        entries.append(
            Archive.Entry(path: "\(Self.top)/README", content: .file(Array(redactor.text(page.text).utf8))))
        return entries
    }

    /// The records, as only root may read them. One that could not be read is a folder: it cannot be read either.
    private func recordEntries(_ redactor: Redactor) -> [Archive.Entry] {
        guard !records.isEmpty else { return [] }
        let folder = Self.top + RecordStore.folder
        let files = records.map { gpu, bytes in
            Archive.Entry(
                path: "\(folder)/\(gpu).json", content: bytes.map { .file(redactor.bytes($0)) } ?? .folder,
                isPrivate: true)
        }
        return [
            Archive.Entry(path: "\(Self.top)/run", content: .folder),
            Archive.Entry(path: folder, content: .folder, isPrivate: true),
        ] + files
    }
}
