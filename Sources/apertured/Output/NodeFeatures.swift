internal import Aperture
internal import Record

/// The GPUs as labels of a Kubernetes node, in the format of node-feature-discovery's local source: a file in its folder
/// `features.d`.
struct NodeFeatures {
    /// The largest file that node-feature-discovery reads, in bytes (`MaxFeatureFileSize`).
    static let largest = 65_536
    /// How long the labels of a run by hand hold, in seconds: whoever runs it regularly does so within a day.
    static let day: Int64 = 86_400
    /// How long those hold that are written at each change, in seconds. Where nothing changes, nothing is written.
    static let year: Int64 = 366 * day
    /// The namespace that node-feature-discovery may always use.
    private static let namespace = "feature.node.kubernetes.io"

    let text: String

    /// - Parameters:
    ///   - unreadable: How many GPUs could not be read at all.
    ///   - expiry: When the labels no longer hold, in seconds since 1970-01-01T00:00:00Z.
    init(_ rows: [GPUStatus], unreadable: Int, expiry: Int64) {
        var labels: [(name: String, value: String)] = []
        let rows = rows.filter { $0.plan.gpu?.pciClass.isGPU == true }
        func add(_ group: String, _ rows: [GPUStatus]) {
            labels.append(("\(group).present", "true"))
            labels.append(("\(group).count", "\(rows.count)"))
            // Without the records it is not known which are claimed.
            guard rows.allSatisfy({ $0.claimUnknown == nil }) else { return }
            labels.append(("\(group).claimed", "\(rows.count { $0.claim != nil })"))
            labels.append(("\(group).proven", "\(rows.count(where: \.isProven))"))
        }
        if !rows.isEmpty { add("gpu", rows) }
        let classes = Dictionary(grouping: rows) { row in
            row.plan.gpu.map { "\(Hex($0.vendor, digits: 4, prefix: ""))_\(Hex($0.device, digits: 4, prefix: ""))" }
                ?? ""
        }
        for (name, rows) in classes.sorted(by: { $0.key < $1.key }) { add("gpu-\(name)", rows) }
        if unreadable > 0 { labels.append(("gpu.unreadable", "\(unreadable)")) }
        // A directive holds for the lines behind it.
        text =
            "# Written by apertured \(Apertured.version).\n# +expiry-time=\(Timestamp(expiry).utc)\n"
            + labels.map { "\(Self.namespace)/apertured.\($0.name)=\($0.value)\n" }.joined()
    }
}

extension GPUStatus {
    /// Whether its claim was proven, and nothing is known that would make a guest fail.
    fileprivate var isProven: Bool { claim?.proof != nil && (state == .claimed || state == .inUse) }
}
