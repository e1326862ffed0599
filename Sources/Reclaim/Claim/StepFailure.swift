package import Aperture
package import SystemPackage

/// A step whose write failed, or whose read-back does not show what it must.
package struct StepFailure: Error, Hashable, Sendable {
    package let step: PlanStep
    /// What the write, or the read-back, failed with; `nil` when both went through and the state is still wrong.
    package let errno: Errno?
    /// What was found instead, for a person.
    package let found: String
    /// Set when the failure has a name of its own: `framebuffer-held`.
    package let code: Refusal.Code?

    /// The process that is stuck in the kernel with the write, which never came back: nothing more may be written to that
    /// device. `nil` for a write that came back.
    package let stuckProcess: Int32?

    package var isStuck: Bool { stuckProcess != nil }

    package init(
        step: PlanStep, errno: Errno?, found: String, code: Refusal.Code? = nil, stuckProcess: Int32? = nil
    ) {
        self.stuckProcess = stuckProcess
        self.step = step
        self.errno = errno
        self.found = found
        self.code = code
    }
}

extension StepFailure: CustomStringConvertible {
    package var description: String {
        let error = errno.map { ": \($0) (errno \($0.rawValue))" } ?? ""
        let code = code.map { "\($0.rawValue): " } ?? ""
        let write = "step \(step.action.rawValue) of \(step.target) (\(step.path), value '\(step.shownValue)')"
        return "\(code)\(write) failed\(error): \(found)"
    }
}
