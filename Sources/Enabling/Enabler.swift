package import Aperture
internal import Configuration
package import KernelFiles

/// Enables a GPU for all boots, and takes that back: the pin, systemd's links, and the initramfs. Each step is told. When
/// one fails, those before it are undone.
package struct Enabler<Programs: ProgramRunner> {
    private let address: PCIAddress
    private let tree: FileTree
    private let programs: Programs
    private let tell: (String) -> Void
    private let interruption: () -> String?

    private static var systemctl: String { "/usr/bin/systemctl" }

    /// - Parameters:
    ///   - tell: Called with a sentence for each step.
    ///   - interruption: The signal that asks this process to stop; nothing begins after it.
    package init(
        _ address: PCIAddress, tree: FileTree, programs: Programs, interruption: @escaping () -> String? = { nil },
        tell: @escaping (String) -> Void
    ) {
        self.address = address
        self.tree = tree
        self.programs = programs
        self.interruption = interruption
        self.tell = tell
    }

    /// What failed, and what could not be undone.
    package struct Failure: Error, Hashable, Sendable {
        /// What failed, as a sentence without a full stop.
        package let reason: String
        /// What is left as it should not be, one sentence each; empty when everything is as it was.
        package let left: [String]
    }

    /// What was done, and how it is undone.
    private struct Done {
        let name: String
        let undo: () throws -> Void
    }

    /// Pins the card, enables its unit, and makes the initramfs anew.
    /// - Parameters:
    ///   - card: The card at the address, which the configuration allows.
    ///   - startsNow: Whether the unit is started as well.
    ///   - makesImages: Whether the initramfs is made anew.
    package func enable(_ card: CardFacts, startsNow: Bool, makesImages: Bool) throws(Failure) {
        try transact { done in
            let before = EnablementReader(tree: tree).read(address)
            try pin(card, before, &done)
            try heedInterruption()
            try link(before, &done)
            try heedInterruption()
            if startsNow { try start(&done) }
            try heedInterruption()
            if makesImages { try makeImages() }
        }
    }

    /// Disables the unit, removes the pin that ``enable(_:startsNow:makesImages:)`` wrote, and makes the initramfs anew.
    /// - Parameters:
    ///   - stopsNow: Whether the unit is stopped first, which gives the card back.
    ///   - makesImages: Whether the initramfs is made anew.
    package func disable(stopsNow: Bool, makesImages: Bool) throws(Failure) {
        try transact { done in
            let before = EnablementReader(tree: tree).read(address)
            if stopsNow { try stop(&done) }
            try heedInterruption()
            try unlink(before, &done)
            try heedInterruption()
            try unpin(&done)
            try heedInterruption()
            if makesImages { try makeImages() }
        }
    }

    /// A step's failure, on its way to ``transact(_:)``.
    private struct StepFailure: Error {
        let reason: String
    }

    private func transact(_ work: (inout [Done]) throws -> Void) throws(Failure) {
        var done: [Done] = []
        do {
            try work(&done)
        } catch {
            let reason = (error as? StepFailure)?.reason ?? "\(error)"
            var left: [String] = []
            for step in done.reversed() {
                do {
                    try step.undo()
                    tell("undone: \(step.name)")
                } catch {
                    left.append(
                        "\(step.name), and this could not be undone: \((error as? StepFailure)?.reason ?? "\(error)")")
                }
            }
            throw Failure(reason: reason, left: left)
        }
    }

    private func heedInterruption() throws {
        if let signal = interruption() { throw StepFailure(reason: "interrupted by \(signal)") }
    }

    // MARK: - The pin

    private func pin(_ card: CardFacts, _ before: Enablement, _ done: inout [Done]) throws {
        let file = PinFile(address, tree: tree)
        switch before.pins {
        case .unknown(let reason): throw StepFailure(reason: "it is not known whether the card is pinned: \(reason)")
        case .known(let places) where !places.isEmpty:
            let list = places.map(\.description).joined(separator: ", ")
            return tell("pinned already, and left as it is: \(list)")
        case .known: break
        }
        if try file.read() != nil {
            return tell("not pinned: \(file.path) is there, says nothing of the card, and is left as it is")
        }
        let conditions = PinFile.conditions(of: card)
        guard !conditions.isEmpty else {
            return tell("not pinned: nothing could be read that tells the card from others")
        }
        let madeFolder = try file.write(PinFile.text(for: card))
        done.append(Done(name: "pinned in \(file.path)") { try file.remove(withFolder: madeFolder) })
        tell("pinned in \(file.path): \(conditions.joined(separator: " "))")
    }

    private func unpin(_ done: inout [Done]) throws {
        let file = PinFile(address, tree: tree)
        guard let text = try file.read() else { return }
        guard file.isOwn(text) else {
            return tell("the pin stays: \(file.path) was changed by hand, and is the administrator's")
        }
        try file.remove(withFolder: true)
        done.append(Done(name: "removed \(file.path)") { _ = try file.write(text) })
        tell("the pin is removed: \(file.path)")
    }

    // MARK: - systemd

    /// `systemctl`, also for a root that is not the machine's, where only links are made.
    private func systemctl(_ words: String...) -> String? {
        systemctl(words)
    }

    private func systemctl(_ words: [String]) -> String? {
        programs.run([Self.systemctl] + (tree.isMachine ? [] : ["--root=\(tree.root)"]) + words)
    }

    private var unit: String { EnablementReader.unit(address) }

    private func links(_ before: Enablement) throws -> [String] {
        switch before.links {
        case .known(let links): return links
        case .unknown(let reason): throw StepFailure(reason: "it is not known whether \(unit) is enabled: \(reason)")
        }
    }

    private func link(_ before: Enablement, _ done: inout [Done]) throws {
        let links = try links(before)
        let wasEnabled = links.contains { $0.hasPrefix("/etc/") && $0.containsText(".device.wants/") }
        if let reason = systemctl("--quiet", "enable", unit) {
            // It may have made one of two links.
            if !wasEnabled { _ = systemctl("--quiet", "disable", unit) }
            throw StepFailure(reason: reason)
        }
        guard !wasEnabled else { return tell("enabled already: \(unit)") }
        done.append(Done(name: "enabled \(unit)") { try require(systemctl("--quiet", "disable", unit)) })
        tell("enabled: \(unit) starts when the card appears")
    }

    private func unlink(_ before: Enablement, _ done: inout [Done]) throws {
        let links = try links(before)
        guard !links.isEmpty else { return tell("not enabled: \(unit)") }
        for (folder, scope) in [("/etc/", []), ("/run/", ["--runtime"])]
        where links.contains(where: { $0.hasPrefix(folder) }) {
            try require(systemctl(scope + ["--quiet", "disable", unit]))
            done.append(
                Done(name: "disabled \(unit)") { try require(systemctl(scope + ["--quiet", "enable", unit])) })
        }
        tell("disabled: \(unit)")
    }

    private func require(_ failure: String?) throws {
        if let failure { throw StepFailure(reason: failure) }
    }

    private func start(_ done: inout [Done]) throws {
        guard tree.isMachine else { return tell("not started: the unit of another root cannot run here") }
        if systemctl("--quiet", "is-active", unit) == nil { return tell("runs already: \(unit)") }
        // After a refusal the unit has failed, and would say so until it is started again.
        done.append(Done(name: "started \(unit)") { try require(systemctl("stop", unit)) })
        try require(systemctl("start", unit))
        tell("started: \(unit) has claimed the card")
    }

    private func stop(_ done: inout [Done]) throws {
        guard tree.isMachine else { return tell("not stopped: the unit of another root does not run here") }
        let wasActive = systemctl("--quiet", "is-active", unit) == nil
        let hadFailed = systemctl("--quiet", "is-failed", unit) == nil
        // The release is refused while a guest has the card. systemctl says nothing of that: the unit has failed then.
        try require(systemctl("stop", unit))
        if !hadFailed, systemctl("--quiet", "is-failed", unit) == nil {
            throw StepFailure(
                reason: "\(unit) was stopped and the card was not given back: see 'apertured log \(address)'")
        }
        guard wasActive else { return tell("did not run: \(unit)") }
        done.append(Done(name: "stopped \(unit)") { try require(systemctl("start", unit)) })
        tell("stopped: the card is the host's")
    }

    // MARK: - The initramfs

    private func makeImages() throws {
        guard let tool = ImageTool.installed(in: tree), let command = tool.command(in: tree) else {
            if let hint = ImageTool.hint(in: tree) { return tell("initramfs: \(hint)") }
            return tell("initramfs: left as it is: no tool that makes it has a hook of apertured's")
        }
        tell("initramfs: \(command.joined(separator: " "))")
        let before = bootFiles()
        if let reason = programs.run(command) {
            throw StepFailure(reason: "the initramfs was not made: \(reason)")
        }
        // update-initramfs, for one, is content with no image at all.
        guard bootFiles() != before else {
            return tell(
                "initramfs: \(tool.rawValue) reports success, and no file in /boot has changed: is the image elsewhere?"
            )
        }
        tell("initramfs: made")
    }

    /// What shows that a file in /boot was made anew; empty when the folder cannot be read.
    private func bootFiles() -> [String: FileStamp?] {
        // Only a hint is made of it.
        let names = (try? tree.list("/boot")) ?? []
        return Dictionary(uniqueKeysWithValues: names.map { ($0, tree.stamp("/boot/\($0)")) })
    }
}
