internal import Aperture
package import KernelFiles
internal import Record
internal import Units

/// Starts the units of a domain's GPUs before libvirt prepares them, and stops those again that it has started.
package struct Hook<Manager: UnitManager> {
    /// How long to wait for the hooks of other domains, in milliseconds: one may be waiting for its cards.
    private static var lockMilliseconds: Int32 { 300_000 }
    /// Of what the guard says, in bytes.
    private static var longestWords: Int { 2000 }

    private let manager: Manager
    private let cards: DomainCards
    private let started: StartedUnits

    /// - Parameter tree: The root of `/sys` and `/run`.
    package init(manager: Manager, tree: FileTree) {
        self.manager = manager
        cards = DomainCards(tree: tree)
        started = StartedUnits(tree: tree)
    }

    /// Starts the units of the domain's GPUs. A unit that runs already is left to whoever started it. When one fails,
    /// those are stopped again that this call has started.
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
                try started.save(earlier + (begun + [card.address]).filter { !earlier.contains($0) }, of: domain.uuid)
                begun.append(card.address)
            }
        } catch {
            throw HookError("\(card.address): \(error).")
        }
        do throws(UnitError) {
            try manager.start(card.address)
        } catch {
            throw HookError("\(card.address) is not claimed. \(reason(card.address, error))")
        }
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
