internal import Aperture
internal import CLinux
internal import Enabling
internal import Glibc
internal import JSONFormat
internal import Journal
internal import KernelFiles
internal import Reclaim
internal import Record
internal import Report

/// Writes an archive of what `plan` and `status` read, for a bug report.
struct WriteReport: Verb {
    /// The GPU; all of them without.
    var address: PCIAddress?
    /// Where the archive goes; `-` is the standard output.
    var output: String
    var force = false
    var tree = FileTree()

    func run() throws(ExitStatus) {
        let file = OutputFile(path: output, replaces: force)
        if let obstacle = file.obstacle {
            Terminal.show(Terminal.Message(.refusal, "output: \(obstacle)"))
            throw ExitStatus.refused
        }
        let survey = Survey(of: tree, gpu: address)
        let known = Set(survey.planned.classes.keys).union(survey.planned.unreadable.map(\.address))
        if let address, survey.isRead, !known.contains(address) {
            Terminal.refuse(
                Refusal(
                    .noSuchDevice, "There is no PCI device \(address).",
                    remedy: "Without an address the report is about all GPUs."))
            throw ExitStatus.refused
        }
        var missing: [String] = []
        let documents = (survey.isRead ? plans(survey) + [status(survey)] : []) + journals(survey, &missing)
        let entries = survey.entries(version: Apertured.version, documents, missing: missing)
        (survey.gaps + missing).forEach { Terminal.warn($0) }
        clinux_hold_interruptions()
        do {
            try file.write(Archive.bytes(of: entries, time: time(nil)))
        } catch {
            Terminal.fail(error)
            throw ExitStatus.failed
        }
    }

    private func plans(_ survey: Survey) -> [Survey.Document] {
        survey.gpus.map { gpu in
            let plan = Planner.plan(for: gpu, in: survey.planned)
            return Survey.Document(path: "plan/\(gpu).json", text: PlanDocument(plan).json.text + "\n")
        }
    }

    private func status(_ survey: Survey) -> Survey.Document {
        let enablements = EnablementReader(tree: survey.noted)
        let joint = JointEnablement(of: survey.noted)
        let rows = survey.gpus.map { gpu in
            GPUStatus(
                plan: Planner.plan(for: gpu, in: survey.shown), snapshot: survey.shown,
                claim: GPUStatus.Claim(of: gpu, on: host), enablement: joint.adding(to: enablements.read(gpu)))
        }
        return Survey.Document(path: "status.json", text: StatusDocument(rows).json.text + "\n")
    }

    private func journals(_ survey: Survey, _ missing: inout [String]) -> [Survey.Document] {
        guard tree.isMachine else {
            missing.append("There is no journal: --root names a folder, and the journal is this machine's.")
            return []
        }
        var documents: [Survey.Document] = []
        for gpu in survey.gpus {
            do {
                let text = try JournalExcerpt.read(LogCommand.query(gpu))
                documents.append(Survey.Document(path: "journal/\(gpu).txt", text: text))
            } catch {
                missing.append("The journal of \(gpu) could not be read: \(error).")
            }
        }
        return documents
    }
}
