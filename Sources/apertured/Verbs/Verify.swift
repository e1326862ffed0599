internal import Aperture
internal import KernelFiles
internal import Reclaim
internal import VFIO

/// Proves a claimed GPU.
struct Verify: Verb {
    var address: PCIAddress
    var options = ClaimOptions()
    var json = false
    var tree = FileTree()

    func run() throws(ExitStatus) {
        if let refusal = WritingVerb.begin(tree) {
            Terminal.complain("apertured: refused: \(refusal)")
            throw ExitStatus.refused
        }
        let report: VerificationReport
        do {
            report = try Verifier(host: host).verify(address, options: options)
        } catch {
            Terminal.complain("apertured: \(error)")
            throw ExitStatus.failed
        }
        if json {
            Terminal.print(VerificationDocument(report).text)
        } else {
            report.proofs.forEach { Terminal.print($0) }
        }
        if let refusal = report.refusal {
            Terminal.complain("apertured: refused: \(refusal)")
            throw ExitStatus.refused
        }
        if let complaint = report.complaint {
            Terminal.complain("apertured: \(address): \(complaint)")
            throw ExitStatus.failed
        }
        if !json { Terminal.print("\(address): verified, \(BARCount(report.proofs))") }
    }
}
