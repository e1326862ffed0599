internal import Aperture
internal import Glibc
package import KernelFiles
internal import Record
internal import Units

/// Starts the units of a domain's GPUs before libvirt prepares them, and stops those again that it has started.
package struct Hook<Manager: UnitManager> {
    /// How long to wait for the hooks of other domains, in milliseconds: one may be waiting for its cards.
    private static var lockMilliseconds: Int32 { 300_000 }
    /// How long to wait for another guard's claim, in milliseconds: as long as a unit's own start may take.
    private static var claimMilliseconds: Int32 { 90_000 }
    /// The time between two looks at that claim, in milliseconds.
    private static var lookInterval: Int32 { 1000 }
    /// Of what the guard says, in bytes.
    private static var longestWords: Int { 2000 }

    /// Waits so many milliseconds.
    package var pause: (Int32) -> Void = { _ = poll(nil, 0, $0) }

    private let manager: Manager
    private let tree: FileTree
    private let cards: DomainCards
    private let started: StartedUnits

    /// - Parameter tree: The root of `/sys` and `/run`.
    package init(manager: Manager, tree: FileTree) {
        self.manager = manager
        self.tree = tree
        cards = DomainCards(tree: tree)
        started = StartedUnits(tree: tree)
    }

    /// Starts the units of the domain's GPUs. A unit that runs already is left to whoever started it, and a card that
    /// another guard has to that guard. When one fails, those are stopped again that this call has started.
    /// - Throws: ``HookError``, with the refusal's sentence.
    package func prepare(_ domain: Domain) throws(HookError) {
        try caught { () throws in
            let wanted = try cards.cards(for: domain.functions)
            guard !wanted.isEmpty else { return }
            let lock = try started.lock(within: Self.lockMilliseconds)
            // What an earlier run of the domain has left: libvirt's daemon may have been away when it ended.
            let earlier = try started.load(domain.uuid)
            var begun: [PCIAddress] = []
            do throws(HookError) {
                for card in wanted { try claim(card, for: domain, after: earlier, &begun) }
            } catch {
                let complaints = begun.reversed().compactMap { stop($0) }
                // What cannot be forgotten is stopped at the next release, where it is no error to be stopped already.
                try? started.save(earlier, of: domain.uuid)
                throw HookError(([error.description] + complaints).joined(separator: " "))
            }
            withExtendedLifetime(lock) {}
        }
    }

    /// Stops the units that were started for this domain. One that cannot be stopped stays remembered, for the domain's
    /// next end. At shutdown nothing is stopped: the host's drivers would take cards that are about to lose power, and
    /// systemd stops the units itself, after libvirt's daemon, which waits for this hook.
    package func release(_ domain: Domain) throws(HookError) {
        try caught { () throws in
            guard try !started.load(domain.uuid).isEmpty, try !manager.isStopping() else { return }
            let lock = try started.lock(within: Self.lockMilliseconds)
            var complaints: [String] = []
            var left: [PCIAddress] = []
            for card in try started.load(domain.uuid).reversed() {
                guard let complaint = stop(card) else { continue }
                complaints.append(complaint)
                left.insert(card, at: 0)
            }
            try started.save(left, of: domain.uuid)
            withExtendedLifetime(lock) {}
            if !complaints.isEmpty { throw HookError(complaints.joined(separator: " ")) }
        }
    }

    private func claim(
        _ card: Card, for domain: Domain, after earlier: [PCIAddress], _ begun: inout [PCIAddress]
    ) throws(HookError) {
        do {
            for address in card.all where try manager.state(of: address).isActive { return }
            // Somebody else's start is waited for, and nothing of it is undone.
            if try !manager.state(of: card.address).isStarting {
                // A unit would be refused.
                if try isClaimedByOther(card) { return }
                try started.save(earlier + (begun + [card.address]).filter { !earlier.contains($0) }, of: domain.uuid)
                begun.append(card.address)
            }
        } catch {
            throw error as? HookError ?? HookError("\(card.address): \(error).")
        }
        do throws(UnitError) {
            try manager.start(card.address)
        } catch {
            throw HookError("\(card.address) is not claimed. \(reason(card.address, error))")
        }
    }

    /// Whether another guard than the card's own unit has claimed it: that of several cards, apertured.service, or one
    /// in a container. One that has not come so far is waited for.
    private func isClaimedByOther(_ card: Card) throws -> Bool {
        var waited: Int32 = 0
        while true {
            let guarded = try card.all.filter { try isGuarded($0) }
            guard let first = guarded.first else { return false }
            if try guarded.contains(where: { try isClaimed($0) }) { return true }
            guard waited < Self.claimMilliseconds else { throw lateClaim(of: first, for: card) }
            pause(Self.lookInterval)
            waited += Self.lookInterval
        }
    }

    /// Whether a guard has the GPU. That of a unit which is about to end is none.
    private func isGuarded(_ gpu: PCIAddress) throws(UnitError) -> Bool {
        guard GuardLock.isHeld(for: gpu, in: tree) else { return false }
        return try !manager.state(of: gpu).isEnding
    }

    /// Whether the GPU's claim is complete, and about the device that is there now.
    private func isClaimed(_ gpu: PCIAddress) throws(RecordError) -> Bool {
        guard let record = try RecordStore(tree: tree).load(gpu), record.state == .claimed else { return false }
        return !record.isStale(for: tree.identity(KernelPath.device(gpu)))
    }

    private func lateClaim(of gpu: PCIAddress, for card: Card) -> HookError {
        // It names itself, as it likes.
        let name = GuardLock.holder(of: gpu, in: tree).map { printable($0) }
        let unit = name.flatMap { $0.split(separator: " ").first }.flatMap { $0.hasSuffix(".service") ? $0 : nil }
        let advice = unit.map { "`systemctl status \($0)` has more" } ?? "`apertured status \(gpu)` shows it"
        return HookError(
            "\(card.address) is not claimed. Another guard has it, and has not claimed it within "
                + "\(Self.claimMilliseconds / 1000) seconds: \(name ?? "its name is not known"). \(advice).")
    }

    /// Why a unit did not start, in the guard's own words where it has said something.
    private func reason(_ card: PCIAddress, _ error: UnitError) -> String {
        let unit = Systemctl.unit(card)
        // Without the state there is still the error.
        let state = try? manager.state(of: card)
        if case .failed = error, let words = state?.words, words.hasPrefix("Refused: ") || words.hasPrefix("Failed: ") {
            // It names processes, whose names anybody may choose.
            return printable(words, atMost: Self.longestWords)
        }
        switch state?.loading {
        case "masked": return "\(unit) is masked; `systemctl unmask \(unit)` undoes that."
        case "not-found": return "There is no \(unit): the package apertured is not installed."
        default: return "\(unit) did not start: \(error). `journalctl -u \(unit)` has more."
        }
    }

    /// - Returns: A sentence, when it could not be stopped.
    private func stop(_ card: PCIAddress) -> String? {
        do {
            try manager.stop(card)
            return nil
        } catch {
            let unit = Systemctl.unit(card)
            return
                "\(unit) was started for this domain and could not be stopped: \(error). `systemctl status \(unit)` has more."
        }
    }

    private func caught(_ work: () throws -> Void) throws(HookError) {
        do {
            try work()
        } catch {
            throw error as? HookError ?? HookError("\(error).")
        }
    }
}

/// Why the hook has not done what it is for, in sentences.
package struct HookError: Error, Hashable, Sendable, CustomStringConvertible {
    package var description: String

    init(_ description: String) {
        self.description = description
    }
}
