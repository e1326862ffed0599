internal import Aperture
internal import Enabling
internal import PCIAccess
internal import Record

/// The GPUs as Prometheus' metrics. docs/metrics.md has the table of them.
///
/// No label has a value that processes or users choose, so that the number of series is bounded by the cards. What could
/// not be read has no series, and `apertured_gpu_unreadable` says so.
struct MetricsText {
    /// One GPU, and what was counted of its claims; `nil` where that cannot be read.
    struct Card {
        let row: GPUStatus
        let counters: ClaimCounters?
    }

    /// What could not be read of a GPU.
    private enum Part: String {
        /// The device itself.
        case device
        /// What is in its BARs: /proc/iomem, or who has put it there.
        case conflicts
        /// The record of its claim.
        case claim
        /// The processes that have it open.
        case users
        /// Whether its unit is enabled, or the guard of several GPUs has it.
        case enablement
        /// The counters of its claims.
        case counters
    }

    let text: String

    /// - Parameters:
    ///   - unreadable: GPUs that could not be read at all.
    ///   - time: Now, in seconds since 1970-01-01T00:00:00Z.
    init(_ cards: [Card], in snapshot: Snapshot, unreadable: [PCIAddress], time: Int64) {
        var metrics = Exposition()
        metrics.add(
            "apertured_build_info", .gauge, "The version of apertured that wrote these metrics.",
            [.init(["version": Apertured.version], 1)])
        let cards = cards.filter { $0.row.plan.gpu?.pciClass.isGPU == true }
        /// The series of the cards that have a value.
        func add(
            _ name: String, _ help: String, _ kind: Exposition.Kind = .gauge,
            _ samples: (Card, String) -> [Exposition.Sample]
        ) {
            metrics.add(name, kind, help, cards.flatMap { samples($0, "\($0.row.plan.address)") })
        }
        let names = DeviceNames()
        add("apertured_gpu_info", "What the GPU is, and which driver and IOMMU group it has.") { card, gpu in
            guard let function = card.row.plan.gpu else { return [] }
            return [
                .init(
                    [
                        "gpu": gpu, "vendor": "\(Hex(function.vendor, digits: 4, prefix: ""))",
                        "device": "\(Hex(function.device, digits: 4, prefix: ""))",
                        "class": "\(Hex(function.pciClass.code, digits: 4, prefix: ""))",
                        "name": names.name(vendor: function.vendor, device: function.device).printable,
                        "driver": function.driver ?? "", "group": function.iommuGroup.map { "\($0.number)" } ?? "",
                    ], 1)
            ]
        }
        add("apertured_gpu_state", "The state of the GPU: 1 for the one that it is in.") { card, gpu in
            GPUStatus.State.allCases.map { .init(["gpu": gpu, "state": $0.rawValue], card.row.state == $0) }
        }
        add("apertured_gpu_enabled", "Whether the GPU's unit is enabled, or the guard of several GPUs has it.") {
            card, gpu in
            card.row.enablement.isEnabled.map { [.init(["gpu": gpu], $0)] } ?? []
        }
        add("apertured_gpu_claimed_timestamp_seconds", "Since when the GPU is claimed.") { card, gpu in
            card.row.claim?.since.map { [.init(["gpu": gpu], $0)] } ?? []
        }
        add("apertured_gpu_proven_timestamp_seconds", "When VFIO last mapped every memory BAR of the claim.") {
            card, gpu in card.row.claim?.proof.map { [.init(["gpu": gpu], $0.time)] } ?? []
        }
        add("apertured_gpu_bars", "The memory BARs of the functions that the claim has, or that one would take.") {
            card, gpu in [.init(["gpu": gpu], card.row.bars(in: snapshot))]
        }
        add("apertured_gpu_mapped_bars", "The memory BARs that the last proof of the claim mapped.") { card, gpu in
            card.row.claim?.proof.map { [.init(["gpu": gpu], $0.bars)] } ?? []
        }
        add("apertured_gpu_conflicts", "The foreign entries in the GPU's BARs, which keep VFIO from mapping them.") {
            card, gpu in
            card.row.areConflictsKnown(in: snapshot) ? [.init(["gpu": gpu], card.row.plan.conflicts.count)] : []
        }
        add("apertured_gpu_in_use", "Whether a process has the GPU open, such as a guest's.") { card, gpu in
            card.row.users.isEmpty && card.row.usersUnknown != nil
                ? [] : [.init(["gpu": gpu], !card.row.users.isEmpty)]
        }
        add("apertured_claims_total", "The claims of the GPU that have ended since the boot.", .counter) { card, gpu in
            card.counters.map { [.init(["gpu": gpu], $0.claims)] } ?? []
        }
        add("apertured_claim_failures_total", "The claims of the GPU that failed since the boot.", .counter) {
            card, gpu in
            (card.counters?.failures ?? [:]).sorted { $0.key < $1.key }.map {
                .init(["gpu": gpu, "code": $0.key], $0.value)
            }
        }
        add("apertured_claim_last_failed", "Whether the last claim of the GPU since the boot failed.") { card, gpu in
            card.counters?.hasLastFailed.map { [.init(["gpu": gpu], $0)] } ?? []
        }
        add("apertured_claim_duration_seconds", "How long the last claim of the GPU took that ended well.") {
            card, gpu in
            card.counters?.milliseconds.map { [.init(["gpu": gpu], Self.seconds($0))] } ?? []
        }
        metrics.add(
            "apertured_gpu_unreadable", .gauge, "What could not be read of the GPU, so that its series are missing.",
            cards.flatMap { card in
                Self.unreadable(card, in: snapshot).map {
                    .init(["gpu": "\(card.row.plan.address)", "what": $0.rawValue], 1)
                }
            } + unreadable.map { .init(["gpu": "\($0)", "what": Part.device.rawValue], 1) })
        metrics.add(
            "apertured_metrics_written_timestamp_seconds", .gauge, "When these metrics were read and written.",
            [.init([:], time)])
        text = metrics.text
    }

    private static func unreadable(_ card: Card, in snapshot: Snapshot) -> [Part] {
        let row = card.row
        var parts: [Part] = []
        if !row.areConflictsKnown(in: snapshot) { parts.append(.conflicts) }
        if row.claimUnknown != nil { parts.append(.claim) }
        if row.usersUnknown != nil { parts.append(.users) }
        if row.enablement.isEnabled == nil { parts.append(.enablement) }
        if card.counters == nil { parts.append(.counters) }
        return parts
    }

    /// Milliseconds in the unit of the format: `1.050`.
    private static func seconds(_ milliseconds: Int) -> String {
        "\(milliseconds / 1000).\(String(milliseconds % 1000 + 1000).dropFirst())"
    }
}

extension GPUStatus {
    /// Whether it is known what is in its BARs.
    func areConflictsKnown(in snapshot: Snapshot) -> Bool {
        guard case .entries = snapshot.memoryMap else { return false }
        let open: [Refusal.Code] = [.evidenceMissing, .contradictoryEvidence]
        return !plan.refusals.contains { open.contains($0.code) }
    }

    /// The memory BARs of the functions that its claim has; without one, of those that a claim would take.
    fileprivate func bars(in snapshot: Snapshot) -> Int {
        let claimed = claim.map { $0.prior.functions.compactMap { snapshot.function(at: $0.address) } } ?? []
        let planned = plan.functions.isEmpty ? plan.gpu.map { [$0] } ?? [] : plan.functions
        return (claimed.isEmpty ? planned : claimed).map(\.memoryBARs.count).reduce(0, +)
    }
}
