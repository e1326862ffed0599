internal import Aperture
internal import KernelFiles
internal import Reclaim
internal import SystemPackage

/// Makes a tree of files of what was read, so that the same reads below the tree give the same answers.
///
/// The paths that were read go through links, which sysfs consists of: each link on the way is kept as a link, and the
/// file stands where the links lead. What could not be read cannot be read in the tree either: a file is a folder there,
/// and a folder is a link to itself. So the unknown stays unknown, and does not become absent.
struct Capture {
    /// What stands at a path without links.
    enum Node: Hashable {
        case folder
        case file([UInt8])
        case link(String)
        /// A file, or a folder, that could not be read.
        case unreadable(isFolder: Bool)
    }

    /// By the components of their paths, joined.
    private(set) var nodes: [String: Node] = [:]
    /// What could not be read, and why, by its path.
    private(set) var failures: [String: String] = [:]

    /// The machine, without a log.
    private let tree: FileTree
    private let excerpt: Excerpt
    /// The functions whose files are kept.
    private let functions: Set<PCIAddress>
    private let readings: [ReadLog.Reading]
    /// The processes whose names are kept.
    private let processes: Set<String>
    /// Where the devices of the classes lead to: `/sys/class/net/enp1s0`.
    private let devices: [String: String]
    private let usesDisks: Bool

    /// The classes of which only the devices below a function that is kept are kept too.
    private static let classes = ["/sys/class/net/", "/sys/class/input/", "/sys/class/block/"]

    init(_ readings: [ReadLog.Reading], in tree: FileTree, functions: Set<PCIAddress>, excerpt: Excerpt) {
        self.tree = tree
        self.excerpt = excerpt
        self.functions = functions
        self.readings = readings
        var holders: [String] = []
        var hidden: String?
        var devices: [String: String] = [:]
        for reading in readings {
            switch reading.answer {
            case .holds: holders.append(String(reading.path.dropFirst("/proc/".count)))
            case .failed where Self.process(reading.path)?.rest == "fd":
                hidden = hidden ?? Self.process(reading.path)?.id
            case .target(let target) where Self.classes.contains(where: reading.path.hasPrefix):
                devices[reading.path] = target
            default: break
            }
        }
        // One process that could not be looked through is as good as all of them.
        processes = Set(holders + [hidden].compactMap(\.self))
        self.devices = devices
        usesDisks = readings.contains { $0.path == "/proc/self/mountinfo" }
        for reading in readings where isWanted(reading) { add(reading) }
    }

    // MARK: - What is wanted

    /// The process that a path is about: its id, and the rest of the path.
    private static func process(_ path: String) -> (id: String, rest: String)? {
        let parts = path.split(separator: "/", maxSplits: 2).map(String.init)
        guard parts.count >= 2, parts[0] == "proc", parts[1] == "self" || Int32(parts[1]) != nil else { return nil }
        return (parts[1], parts.count > 2 ? parts[2] : "")
    }

    private func isWanted(_ reading: ReadLog.Reading) -> Bool {
        let path = reading.path
        if let (id, rest) = Self.process(path) {
            switch rest {
            case "mountinfo", "ns/pid", "status": return true
            case "comm", "cgroup": return processes.contains(id)
            case "fd": if case .failed = reading.answer { return processes.contains(id) }
            case "": if case .holds = reading.answer { return true }
            default: break
            }
            return false
        }
        let isNode = path.hasPrefix("/dev/")
        switch reading.answer {
        case .exists where isNode: return false
        // Where there is no framebuffer's answer there is no witness.
        case .failed where isNode: return false
        default: break
        }
        if path.hasPrefix("\(KernelPath.pciDevices)/") {
            let name = path.dropFirst(KernelPath.pciDevices.utf8.count + 1).prefix { $0 != "/" }
            return PCIAddress(name).map(functions.contains) ?? true
        }
        guard let folder = Self.classes.first(where: path.hasPrefix) else { return true }
        let name = path.dropFirst(folder.utf8.count).prefix { $0 != "/" }
        let isBelow = devices["\(folder)\(name)"]?.split(separator: "/").contains { component in
            PCIAddress(component).map(functions.contains) ?? false
        }
        return isBelow == true || usesDisks && folder == "/sys/class/block/"
    }

    /// The names of a folder that a reader there looks at.
    private func wanted(_ names: [String], in path: String) -> [String] {
        func isShown(_ name: String) -> Bool { PCIAddress(name).map(functions.contains) ?? true }
        switch path {
        // Whether process 1 is hidden counts.
        case "/proc": return names.filter { $0 == "1" }
        case "/dev": return names.filter { $0.hasPrefix("nvidia") && $0.dropFirst(6).allSatisfy(\.isNumber) }
        case "/etc", "/run", "/usr/lib": return names.filter { $0 == "apertured.conf" }
        case "/run/apertured": return []
        case KernelPath.platformDevices: return names.filter(PlatformFramebuffer.isFramebuffer)
        case KernelPath.pciDevices: return names.filter(isShown)
        default: break
        }
        // Each of these was read by itself as well.
        if Self.classes.contains("\(path)/") { return [] }
        if path.hasPrefix("\(KernelPath.pciDrivers)/") { return names.filter { PCIAddress($0) != nil && isShown($0) } }
        if path.hasPrefix("\(KernelPath.pciDevices)/"), path.split(separator: "/").count == 5 {
            return names.filter { $0.hasPrefix("virtfn") }
        }
        return names
    }

    // MARK: - Adding

    private mutating func add(_ reading: ReadLog.Reading) {
        switch reading.answer {
        case .bytes(let bytes):
            let place = place(of: reading.path)
            do {
                nodes[place] = .file(try excerpt.part(of: bytes, in: reading.path))
            } catch {
                failures[reading.path] = error.reason
                nodes[place] = .unreadable(isFolder: false)
            }
        case .target(let target):
            nodes[place(of: reading.path, followsLast: false)] = .link(target)
        case .names(let names):
            let place = place(of: reading.path)
            nodes[place] = .folder
            for name in wanted(names, in: reading.path) { addShape(at: "\(place)/\(name)") }
        case .exists: addShape(at: place(of: reading.path))
        case .holds(let node):
            let folder = "\(reading.path)/fd"
            nodes[reading.path] = .folder
            nodes[folder] = .folder
            let number = nodes.keys.count { $0.hasPrefix("\(folder)/") }
            nodes["\(folder)/\(number)"] = .link(node)
        case .failed(let error):
            failures[reading.path] = error.description
            // /proc itself holds the rest.
            guard reading.path != "/proc" else { return }
            let isFolder = error.operation == .list
            let place = place(of: reading.path, followsLast: error.operation != .readLink)
            nodes[place] = .unreadable(isFolder: isFolder)
        }
    }

    private mutating func addShape(at place: String) {
        guard nodes[place] == nil else { return }
        switch tree.shape(place) {
        case .folder: nodes[place] = .folder
        case .link(let target): nodes[place] = .link(target)
        case .other: nodes[place] = .file([])
        case nil: break
        }
    }

    /// Where a path leads: its components without links. The links and the folders on the way are added.
    private mutating func place(of path: String, followsLast: Bool = true) -> String {
        var rest = path.split(separator: "/").map(String.init)
        var place: [String] = []
        var links = 0
        while !rest.isEmpty {
            let name = rest.removeFirst()
            if name == "." { continue }
            if name == ".." {
                _ = place.popLast()
                continue
            }
            place.append(name)
            let here = "/" + place.joined(separator: "/")
            if rest.isEmpty, !followsLast { break }
            // The kernel makes this link anew for each process, and this process is not in the tree.
            if here == "/proc/self" {
                nodes[here] = .folder
                continue
            }
            let target: String?
            switch nodes[here] {
            case .link(let known): target = known
            case nil: if case .link(let found)? = tree.shape(here) { target = found } else { target = nil }
            default: target = nil
            }
            // The kernel follows no more links than this (MAXSYMLINKS).
            if let target, links < 40 {
                links += 1
                nodes[here] = .link(target)
                if target.hasPrefix("/") { place = [] } else { place.removeLast() }
                rest = target.split(separator: "/").map(String.init) + rest
            } else if !rest.isEmpty {
                nodes[here] = nodes[here] ?? .folder
            }
        }
        return "/" + place.joined(separator: "/")
    }

    // MARK: - The tree

    /// The entries of the archive, folders before what is in them, below a folder; every name is redacted.
    func entries(below top: String, _ redactor: Redactor) -> [Archive.Entry] {
        var all: [String: Node] = [:]
        // A file must not stand where another one's folder has to.
        var parents: Set<String> = []
        for (path, node) in nodes {
            var components = redactor.path(path.split(separator: "/").map(String.init))
            let name = "/" + components.joined(separator: "/")
            if all[name] == nil || all[name] == .folder { all[name] = node }
            while components.count > 1 {
                components.removeLast()
                parents.insert("/" + components.joined(separator: "/"))
            }
        }
        for folder in parents.union(["/dev", "/proc", "/sys"]) where all[folder] == nil { all[folder] = .folder }
        return all.map { path, node in
            let name = path.split(separator: "/").last.map(String.init) ?? ""
            let content: Archive.Content =
                switch node {
                case _ where parents.contains(path): .folder
                case .folder, .unreadable(isFolder: false): .folder
                case .file(let bytes): .file(bytes)
                case .link(let target): .link(Self.redacted(target, redactor))
                case .unreadable(isFolder: true): .link(name)
                }
            return Archive.Entry(path: top + path, content: content)
        }
    }

    private static func redacted(_ target: String, _ redactor: Redactor) -> String {
        let isAbsolute = target.hasPrefix("/")
        let components = redactor.path(target.split(separator: "/").map(String.init))
        return (isAbsolute ? "/" : "") + components.joined(separator: "/")
    }
}
