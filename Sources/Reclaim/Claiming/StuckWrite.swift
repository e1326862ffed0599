internal import Aperture
package import Record

/// A write of an earlier run has still not come back from the kernel.
package struct StuckWrite: Error, Hashable, Sendable {
    package let write: ClaimRecord.StuckWrite
}

extension StuckWrite: CustomStringConvertible {
    package var description: String {
        """
        an earlier write to \(write.path) is still stuck in the kernel (pid \(write.process)): nothing more is written to \
        the card. When the kernel lets go, `apertured recover` goes on; if it never does, only a reboot helps
        """
    }
}

extension Host {
    /// - Throws: ``StuckWrite`` when nothing may be written to the card.
    func expectNoStuckWrite(_ record: ClaimRecord) throws(StuckWrite) {
        guard let write = record.stuckWrite, startTime(ofProcess: write.process) == write.started else { return }
        throw StuckWrite(write: write)
    }

    /// What is to be kept of a failure: which process must end before anything else is written to the card.
    func stuckWrite(of failure: StepFailure?) -> ClaimRecord.StuckWrite? {
        guard let failure, let process = failure.stuckProcess, let started = startTime(ofProcess: process) else {
            return nil
        }
        return ClaimRecord.StuckWrite(path: failure.step.path, process: process, started: started)
    }
}
