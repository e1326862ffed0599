package import Aperture
package import SystemPackage

/// A step whose write failed, or whose read-back shows another state than the wanted one.
package struct StepFailure: Error, Hashable, Sendable {
    /// The step that failed.
    package let step: PlanStep
    /// The error of the write or of the read-back; `nil` when both succeeded and the state is still wrong.
    package let errno: Errno?
    /// The state that was found, for a person.
    package let found: String
    /// The refusal's code, for a failure that has one: `framebuffer-held`.
    package let code: Refusal.Code?

    /// The id of the process whose write is stuck in the kernel; `nil` when the write returned. While it is stuck
    /// nothing more may be written to the device.
    package let stuckProcess: Int32?

    /// Whether the write is stuck in the kernel.
    package var isStuck: Bool { stuckProcess != nil }

    /// - Parameter stuckProcess: The id of the process whose write is stuck in the kernel.
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
