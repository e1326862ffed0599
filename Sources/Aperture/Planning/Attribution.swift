/// Whether a platform framebuffer is on a GPU, and which witnesses say so.
package struct Attribution: Hashable, Sendable {
    /// What follows from the evidence.
    package enum Verdict: Hashable, Sendable {
        /// No witness puts the framebuffer on this GPU.
        case unrelated
        /// The framebuffer is on this GPU, and /proc/iomem shows its entry.
        case inBAR
        /// Two witnesses put the framebuffer on this GPU, and /proc/iomem has no entry: efifb and vesafb go on without
        /// one when their `request_mem_region()` fails.
        case inBARUnlisted
        /// A driver is bound, only one witness puts it on this GPU, and /proc/iomem has no entry.
        case insufficient
        /// Some witnesses put it on this GPU and others elsewhere; or several devices could own the same entry.
        case contradictory
    }

    /// The framebuffer that this is about.
    package let device: PlatformFramebuffer
    /// What is concluded from ``evidence``.
    package let verdict: Verdict
    /// What each witness said; a witness that says nothing is left out.
    package let evidence: [Evidence]
    /// Whether the framebuffer is known to be elsewhere: some witness says so, and none puts it on this GPU. An entry
    /// of /proc/iomem that could be another device's does not count.
    package let isElsewhere: Bool

    /// The witnesses that put the framebuffer on this GPU, in the order of ``Witness``.
    package var witnesses: [Witness] {
        evidence.filter(\.isInside).map(\.witness).sorted()
    }

    /// The widest range that a witness named, for a framebuffer without an entry in /proc/iomem; `nil` when none named
    /// one.
    package var namedRange: AddressRange? {
        evidence.lazy.compactMap { piece -> AddressRange? in
            guard case .inside(let range) = piece.place else { return nil }
            return range
        }.max { $0.size < $1.size }
    }
}

/// A source that tells where a framebuffer's memory is, the most direct first.
package enum Witness: String, Hashable, Sendable, CaseIterable, Comparable {
    /// An entry of /proc/iomem, by its name and its range.
    case iomem
    /// The platform device is a child of a PCI device (`sysfb_parent_dev()`, kernel 6.9 and later).
    case parent
    /// `smem_start` and `smem_len` of `FBIOGET_FSCREENINFO`.
    case framebuffer
    /// `lfb_base` and `lfb_size` of the boot parameters.
    case screenInfo = "screen_info"

    package static func < (left: Witness, right: Witness) -> Bool {
        (allCases.firstIndex(of: left) ?? 0) < (allCases.firstIndex(of: right) ?? 0)
    }
}

/// What one witness says about a platform framebuffer's place, seen from one GPU.
package struct Evidence: Hashable, Sendable {
    /// Where the witness puts the framebuffer.
    package enum Place: Hashable, Sendable {
        /// In this GPU's memory BARs, with the range that the witness names, or `nil` if it names none.
        case inside(AddressRange?)
        /// Somewhere else.
        case elsewhere
    }

    /// Who says it.
    package let witness: Witness
    /// Where the framebuffer is, as the witness says.
    package let place: Place
    /// What the witness said, for a person: `efifb 0xc0000000-0xc03e7fff`.
    package let detail: String

    /// One statement of one witness.
    package init(witness: Witness, place: Place, detail: String) {
        self.witness = witness
        self.place = place
        self.detail = detail
    }

    /// Whether the witness puts the framebuffer on this GPU.
    package var isInside: Bool { place != .elsewhere }
}

extension Evidence: CustomStringConvertible {
    package var description: String {
        "\(witness.rawValue) says \(isInside ? "on this GPU" : "elsewhere") (\(detail))"
    }
}

/// Collects the evidence of every witness about every platform framebuffer, seen from one GPU.
///
/// An entry of /proc/iomem inside a BAR is enough: it names the driver and the range, and the driver has one device.
/// Without an entry, two other witnesses must agree. Where witnesses contradict each other, nothing is concluded.
struct AttributionFinder {
    let gpu: PCIFunction
    let snapshot: Snapshot
    let tree: IomemTree

    /// One attribution per platform framebuffer, without legacy VGA.
    func attributions() -> [Attribution] {
        snapshot.platformFramebuffers.filter { !$0.isLegacyVGA }.map(attribution)
    }

    private func attribution(of device: PlatformFramebuffer) -> Attribution {
        let others = [parent(of: device), framebuffer(of: device), screenInfo(of: device)].compactMap(\.self)
        let twins = twins(of: device)
        let line = iomem(of: device)
        // With two devices of one kind, an entry's name does not tell which of them owns it: another witness must.
        let isAmbiguous = line?.isInside == true && !twins.isEmpty && !others.contains(where: \.isInside)
        let isOtherPlaced = isAmbiguous && twins.contains { hasOtherEvidence($0) }
        let evidence = [isOtherPlaced ? nil : line].compactMap(\.self) + others
        let placing = twins.isEmpty ? evidence : others
        return Attribution(
            device: device,
            verdict: isAmbiguous && !isOtherPlaced ? .contradictory : verdict(on: device, evidence),
            evidence: evidence,
            isElsewhere: !placing.isEmpty && !evidence.contains(where: \.isInside))
    }

    private func verdict(on device: PlatformFramebuffer, _ evidence: [Evidence]) -> Attribution.Verdict {
        let inside = evidence.filter(\.isInside)
        if inside.isEmpty { return .unrelated }
        if inside.count < evidence.count { return .contradictory }
        if inside.contains(where: { $0.witness == .iomem }) { return .inBAR }
        // A device with neither a driver nor an entry is in no BAR: it was unbound, or never bound.
        if device.driver == nil { return .unrelated }
        return inside.count >= 2 ? .inBARUnlisted : .insufficient
    }

    // MARK: - The witnesses

    private func iomem(of device: PlatformFramebuffer) -> Evidence? {
        let names = entryNames(of: device)
        let lines = tree.entries.filter { names.contains($0.name) }
        // The last line is the innermost: simpledrm inside BOOTFB names the driver.
        if let line = lines.last(where: { gpu.memoryBAR(overlapping: $0.range) != nil }) {
            return Evidence(witness: .iomem, place: .inside(line.range), detail: line.description)
        }
        return lines.first.map { Evidence(witness: .iomem, place: .elsewhere, detail: $0.description) }
    }

    private func parent(of device: PlatformFramebuffer) -> Evidence? {
        guard let parent = device.parent else { return nil }
        return Evidence(
            witness: .parent, place: parent == gpu.address ? .inside(nil) : .elsewhere, detail: "child of \(parent)")
    }

    private func framebuffer(of device: PlatformFramebuffer) -> Evidence? {
        let nodes = snapshot.framebuffers.filter { $0.device == device.name }
        for node in nodes {
            guard let memory = node.memory else { continue }
            return placed(.framebuffer, memory, detail: "\(node.path) \(memory)")
        }
        return nil
    }

    private func screenInfo(of device: PlatformFramebuffer) -> Evidence? {
        guard let info = snapshot.screenInfo, let memory = info.framebuffer, describes(info, device) else { return nil }
        // It is the state at boot. After a BAR has moved it may point at no card, and then says nothing.
        guard snapshot.gpus.contains(where: { $0.memoryBAR(overlapping: memory) != nil }) else {
            return nil
        }
        return placed(.screenInfo, memory, detail: "boot parameters \(memory)")
    }

    private func placed(_ witness: Witness, _ memory: AddressRange, detail: String) -> Evidence {
        let isInside = gpu.memoryBAR(overlapping: memory) != nil
        return Evidence(witness: witness, place: isInside ? .inside(memory) : .elsewhere, detail: detail)
    }

    /// Whether the boot parameters are about the device: firmware hands over one framebuffer, and `sysfb_init()` makes
    /// one device of it.
    private func describes(_ info: ScreenInfo, _ device: PlatformFramebuffer) -> Bool {
        guard device.name.hasSuffix(".0") else { return false }
        return switch info.mode {
        case .efi: device.kind == "efi-framebuffer" || device.kind == "simple-framebuffer"
        case .vesa: device.kind == "vesa-framebuffer" || device.kind == "simple-framebuffer"
        case .other: false
        }
    }

    // MARK: - Twins

    private func twins(of device: PlatformFramebuffer) -> [PlatformFramebuffer] {
        snapshot.platformFramebuffers.filter { $0.name != device.name && $0.kind == device.kind }
    }

    private func hasOtherEvidence(_ device: PlatformFramebuffer) -> Bool {
        [parent(of: device), framebuffer(of: device), screenInfo(of: device)].contains { $0?.isInside == true }
    }

    private func entryNames(of device: PlatformFramebuffer) -> [String] {
        // A resource without a name gets its device's.
        let own = [device.name]
        if let driver = device.driver {
            let names = FramebufferDriver.entryNames(ofPlatformDriver: driver)
            if !names.isEmpty { return names + own }
        }
        return FramebufferDriver.entryNames(ofDeviceKind: device.kind) + own
    }
}
