internal import Aperture
internal import KernelFiles
internal import Reclaim
internal import VFIO

/// Proves a claimed GPU.
struct Verify: Verb {
    var address: PCIAddress
    var options = ClaimOptions()
    var verbose = false
    var json = false
    var tree = FileTree()

    func run() throws(ExitStatus) {
        if let refusal = WritingVerb.begin(tree) {
            Terminal.refuse(refusal)
            throw ExitStatus.refused
        }
        // The results of the proof are printed.
        let log = ClaimLog(address: address, threshold: Detail(quiet: false, verbose: verbose).threshold)
        let report: VerificationReport
        do {
            report = try Verifier(host: host, tell: log.tellProof).verify(address, options: options)
        } catch {
            Terminal.fail(error)
            throw ExitStatus.failed
        }
        if json {
            Terminal.print(VerificationDocument(report).text)
        } else {
            report.proofs.forEach { Terminal.print($0) }
        }
        if let refusal = report.refusal {
            Terminal.refuse(refusal, about: address)
            throw ExitStatus.refused
        }
        if let complaint = report.complaint {
            Terminal.fail(complaint, about: address)
            throw ExitStatus.failed
        }
        if !json { Terminal.print("\(address): verified, \(BARCount(report.proofs))") }
    }
}
