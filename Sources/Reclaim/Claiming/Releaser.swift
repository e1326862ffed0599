package import Aperture
internal import Record

/// How a release ended.
package struct ReleaseOutcome: Sendable {
    package enum Result: Sendable {
        case released
        /// The record is gone and the card stays on vfio-pci, as was asked.
        case kept
        case refused([Refusal])
        /// Some steps failed; the record stays.
        case failed
    }

    package var result: Result
    /// Said before the first write.
    package var announced: [String] = []
    package var restoration = Restoration()

    package init(
        result: Result, announced: [String] = [], restoration: Restoration = Restoration()
    ) {
        self.result = result
        self.announced = announced
        self.restoration = restoration
    }
}

/// Gives a claimed card back.
package struct Releaser<H: Host> {
    private let host: H
    private let tell: (ClaimEvent) -> Void

    package init(host: H, tell: @escaping (ClaimEvent) -> Void = { _ in }) {
        self.host = host
        self.tell = tell
    }

    /// - Parameters:
    ///   - keeps: Leave the card on vfio-pci, and only forget it.
    ///   - force: Go on where it is not known who has the card open.
    /// - Throws: Before the first write, when record or snapshot cannot be read.
    package func release(_ address: PCIAddress, keeps: Bool = false, force: Bool = false) throws -> ReleaseOutcome {
        guard var record = try host.record(of: address) else { return Self.refuseUnclaimed(address) }
        try host.expectNoStuckWrite(record)
        if host.isReplaced(record) {
            try host.removeRecord(of: address)
            return Self.refuse(
                "The card at \(address) is another one than the one that was claimed.",
                remedy: "That one is gone, and its record is forgotten now: there is nothing to give back.")
        }
        if keeps {
            guard record.state == .claimed else {
                return Self.refuse(
                    "An earlier run was cut short while \(record.state.rawValue).",
                    remedy: "Let `apertured recover` settle it first.")
            }
            try host.removeRecord(of: address)
            return ReleaseOutcome(result: .kept)
        }
        let snapshot = try host.snapshot(.release(address), withHolders: true)
        try snapshot.expectReadable(record.prior)
        let plan = ReleasePlanner.plan(
            backTo: record.prior, in: snapshot, boundByUs: record.nativeDrivers, removedByUs: record.hasRemovedCard,
            unloadedByUs: record.unloadedModules, ignoresUnknownHolders: force)
        if !plan.refusals.isEmpty { return ReleaseOutcome(result: .refused(plan.refusals)) }
        try host.heedInterruption()
        tell(.releasing)
        plan.losses.forEach { tell(.warning($0)) }
        record.state = .releasing
        do throws(RecordError) {
            try host.save(record)
        } catch {
            guard error.isLackOfRoom else { throw error }
            // Cut short, it is still a standing claim by its record, and its prior state: another release ends it.
            tell(.warning("\(error). If this release is cut short, `apertured release \(address)` has to go on"))
        }
        let restoration = try Recoverer(host: host, force: force, tell: tell).finishRelease(record)
        return ReleaseOutcome(
            result: restoration.isFinished ? .released : .failed, announced: plan.losses,
            restoration: restoration)
    }

    /// For a card without a record.
    package static func refuseUnclaimed(_ address: PCIAddress) -> ReleaseOutcome {
        refuse(
            "There is no record of a claim of \(address) under \(RecordStore.folder).",
            remedy: "Only what apertured claimed since the last boot can be given back by it.")
    }

    private static func refuse(_ message: String, remedy: String) -> ReleaseOutcome {
        ReleaseOutcome(result: .refused([Refusal(.notClaimed, message, remedy: remedy)]))
    }
}
