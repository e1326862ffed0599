package import Aperture
package import Reclaim
internal import Record

/// What is to be put in order after the guard of a card has ended.
package struct Aftermath<H: Host> {
    private let address: PCIAddress
    private let host: H
    private let lockMilliseconds: Int32
    private let tell: (GuardEvent) -> Void

    /// - Parameters:
    ///   - lockMilliseconds: How long to wait for another run of apertured.
    ///   - tell: Receives each event; it logs.
    package init(_ address: PCIAddress, host: H, lockMilliseconds: Int32, tell: @escaping (GuardEvent) -> Void) {
        self.address = address
        self.host = host
        self.lockMilliseconds = lockMilliseconds
        self.tell = tell
    }

    private var releaser: Releaser<H> { Releaser(host: host, tell: { [tell] in tell(.claim($0)) }) }

    /// Recovers from an interrupted run, and removes the record of a card that is gone or was replaced.
    /// - Returns: What was restored; `nil` when there was nothing to do.
    package func cleanUp() throws(ReclaimError) -> Restoration? {
        guard try host.loadRecord(of: address) != nil else { return nil }
        let result = try host.locked(within: lockMilliseconds) { () throws(ReclaimError) in
            let result = try releaser.recover(address)
            let device = host.identity(ofDevice: KernelPath.device(address))
            if let record = try host.loadRecord(of: address), device == nil || record.isStale(for: device) {
                try releaser.abandon(record)
            }
            return result
        }
        if let result { tell(.recovered(result)) }
        return result
    }

    /// Releases the claim, if there is one.
    /// - Returns: The outcome; `nil` without a claim.
    package func release() throws(ReclaimError) -> ReleaseOutcome? {
        guard try host.loadRecord(of: address)?.state == .claimed else { return nil }
        let outcome = try host.locked(within: lockMilliseconds) { () throws(ReclaimError) -> ReleaseOutcome? in
            // Someone may have released it by hand meanwhile.
            guard try host.loadRecord(of: address) != nil else { return nil }
            return try releaser.release(address)
        }
        switch outcome?.result {
        case .released, .kept: tell(.released)
        case .refused(let refusals): refusals.forEach { tell(.releaseRefused($0)) }
        case .failed, nil: break
        }
        return outcome
    }

    /// Undoes the udev rule's reservation of a card that is not claimed.
    /// - Returns: What was restored; `nil` when there was nothing to do.
    package func undoRule() throws(ReclaimError) -> Restoration? {
        guard try host.loadRecord(of: address) == nil else { return nil }
        let result = try host.locked(within: lockMilliseconds) { () throws(ReclaimError) in
            try releaser.undoRule(of: address)
        }
        if let result { tell(.ruleUndone(result)) }
        return result
    }
}
