internal import Aperture
internal import Guard
internal import KernelFiles
internal import SystemPackage

/// Arguments that need no parser: options by their full names, each with a valid value, and nothing else.
///
/// The argument parser takes most of a short run's time, and knows much that most runs do not need: short names, help, and
/// what is wrong. The runs of the unit, of scripts and of most people are plain, and these are read here. All others are
/// the parser's, errors above all: nothing is refused here. PlainArgumentsTests holds the two against each other.
package struct PlainArguments {
    /// The words that were not taken yet.
    private var words: [String]
    /// Whether every word that was taken made sense.
    private var isPlain = true

    /// - Parameter words: The arguments behind the command's name.
    package init(_ words: [String]) {
        self.words = words
    }

    /// What the arguments ask for; `nil` when they need the parser.
    package func verb() -> (any Verb)? {
        guard let name = words.first else { return nil }
        var rest = self
        rest.words.removeFirst()
        let verb: (any Verb)? =
            switch name {
            case "status": Status(&rest)
            case "plan": ShowPlan(&rest)
            case "claim": Claim(&rest)
            case "release": Release(&rest)
            case "guard": GuardVerb(&rest)
            case "post-stop": PostStop(&rest)
            case "vfio-driver": FindVFIODriver(&rest)
            case "complete": Complete(&rest)
            default: nil
            }
        return rest.isPlain && rest.words.isEmpty ? verb : nil
    }

    /// Whether the only argument is `--version`.
    package var asksForVersion: Bool { words == ["--version"] }

    /// Takes a flag.
    fileprivate mutating func flag(_ name: String) -> Bool {
        guard let index = words.firstIndex(of: name) else { return false }
        words.remove(at: index)
        return true
    }

    /// Takes an option with its value; `nil` without the option.
    fileprivate mutating func value(_ name: String) -> String? {
        guard let index = words.firstIndex(of: name) else { return nil }
        guard index + 1 < words.count, !words[index + 1].hasPrefix("-") else {
            isPlain = false
            return nil
        }
        defer { words.removeSubrange(index...(index + 1)) }
        return words[index + 1]
    }

    /// Takes an option whose value has a form of its own.
    fileprivate mutating func value<Value>(
        _ name: String, or standard: Value, _ parse: (String) -> Value?
    ) -> Value {
        guard let text = value(name) else { return standard }
        if let value = parse(text) { return value }
        isPlain = false
        return standard
    }

    /// Takes a number of seconds.
    fileprivate mutating func seconds(_ name: String, in range: ClosedRange<Int>, or standard: Int) -> Int {
        value(name, or: standard) { Int($0).flatMap { range.contains($0) ? $0 : nil } }
    }

    /// Takes what is left, all of it addresses.
    fileprivate mutating func addresses() -> [PCIAddress] {
        let addresses = words.compactMap { PCIAddress($0) }
        isPlain = isPlain && addresses.count == words.count
        words = []
        return addresses
    }

    /// Takes what is left, which is one address.
    fileprivate mutating func address() -> PCIAddress? {
        let addresses = addresses()
        return addresses.count == 1 ? addresses.first : nil
    }

    /// Takes what is left, which is one word of such a form.
    fileprivate mutating func word<Value>(_ parse: (String) -> Value?) -> Value? {
        defer { words = [] }
        return words.count == 1 ? words.first.flatMap(parse) : nil
    }

    /// Takes `--root`.
    fileprivate mutating func tree() -> FileTree {
        value("--root", or: FileTree()) { root in
            let tree = FileTree(root: FilePath(root))
            return tree.holdsKernelFiles ? tree : nil
        }
    }

    fileprivate mutating func locking() -> Locking {
        var locking = Locking()
        locking.wait = seconds("--lock-wait", in: Locking.waits, or: locking.wait)
        locking.writeDeadline = seconds("--write-deadline", in: Locking.writeDeadlines, or: locking.writeDeadline)
        return locking
    }

    /// Takes `--quiet` or `--verbose`.
    fileprivate mutating func detail() -> (quiet: Bool, verbose: Bool) {
        let detail = (quiet: flag("--quiet"), verbose: flag("--verbose"))
        isPlain = isPlain && !(detail.quiet && detail.verbose)
        return detail
    }

    /// Takes the options of a claim's policy. Those that may be repeated, or whose values are names, are the parser's.
    fileprivate mutating func options() -> ClaimOptions {
        var options = ClaimOptions()
        options.residue = value("--residue", or: options.residue) { ClaimOptions.Residue(rawValue: $0) }
        options.onlyFunction = flag("--only-function")
        options.wholeSlot = flag("--whole-slot")
        options.force = flag("--force")
        options.unloadsNative = flag("--unload")
        isPlain = isPlain && !(options.onlyFunction && options.wholeSlot)
        return options
    }
}

extension Status {
    fileprivate init?(_ arguments: inout PlainArguments) {
        let (verbose, map) = (arguments.flag("--verbose"), arguments.flag("--map"))
        let (metrics, output) = (arguments.flag("--metrics"), arguments.value("--output"))
        let (json, tree) = (arguments.flag("--json"), arguments.tree())
        // What contradicts itself is the parser's to say.
        if metrics, verbose || map || json { return nil }
        if output != nil, !metrics || output?.isEmpty == true { return nil }
        self.init(
            addresses: arguments.addresses(), verbose: verbose, map: map, json: json, metrics: metrics, output: output,
            tree: tree)
    }
}

extension ShowPlan {
    fileprivate init?(_ arguments: inout PlainArguments) {
        let (options, json, tree) = (arguments.options(), arguments.flag("--json"), arguments.tree())
        guard let address = arguments.address() else { return nil }
        self.init(address: address, options: options, json: json, tree: tree)
    }
}

extension Claim {
    fileprivate init?(_ arguments: inout PlainArguments) {
        let (options, locking) = (arguments.options(), arguments.locking())
        let (dryRun, noVerify) = (arguments.flag("--dry-run"), arguments.flag("--no-verify"))
        let wait = arguments.seconds("--wait", in: Claim.waits, or: 10)
        let ((quiet, verbose), json, tree) = (arguments.detail(), arguments.flag("--json"), arguments.tree())
        guard let address = arguments.address() else { return nil }
        self.init(
            address: address, options: options, dryRun: dryRun, noVerify: noVerify, wait: wait, quiet: quiet,
            verbose: verbose, locking: locking, json: json, tree: tree)
    }
}

extension Release {
    fileprivate init?(_ arguments: inout PlainArguments) {
        let (keep, onlyWhenRunning) = (arguments.flag("--keep"), arguments.flag("--only-when-running"))
        let (force, (quiet, verbose), json) = (arguments.flag("--force"), arguments.detail(), arguments.flag("--json"))
        let (locking, tree) = (arguments.locking(), arguments.tree())
        guard let address = arguments.address() else { return nil }
        self.init(
            address: address, keep: keep, onlyWhenRunning: onlyWhenRunning, force: force, quiet: quiet,
            verbose: verbose, locking: locking, json: json, tree: tree)
    }
}

extension GuardVerb {
    fileprivate init?(_ arguments: inout PlainArguments) {
        let (verbose, locking, tree) = (arguments.flag("--verbose"), arguments.locking(), arguments.tree())
        let onStop: StopPolicy? = arguments.value("--on-stop", or: nil) { StopPolicy(rawValue: $0).map(Optional.some) }
        let log = arguments.value("--log", or: LogChoice.auto) { LogChoice(rawValue: $0) }
        let addresses = arguments.addresses()
        guard Set(addresses).count == addresses.count else { return nil }
        self.init(addresses: addresses, onStop: onStop, verbose: verbose, log: log, locking: locking, tree: tree)
    }
}

extension PostStop {
    fileprivate init?(_ arguments: inout PlainArguments) {
        let (locking, tree) = (arguments.locking(), arguments.tree())
        guard let address = arguments.address() else { return nil }
        self.init(address: address, locking: locking, tree: tree)
    }
}

extension FindVFIODriver {
    fileprivate init?(_ arguments: inout PlainArguments) {
        let (load, tree) = (arguments.flag("--load"), arguments.tree())
        guard let address = arguments.address() else { return nil }
        self.init(address: address, load: load, tree: tree)
    }
}

extension Complete {
    fileprivate init?(_ arguments: inout PlainArguments) {
        let tree = arguments.tree()
        guard let kind = arguments.word({ Complete.Kind(rawValue: $0) }) else { return nil }
        self.init(kind: kind, tree: tree)
    }
}

extension FileTree {
    /// Whether this is the machine, or a folder that holds `sys` and `proc`.
    var holdsKernelFiles: Bool { isMachine || exists("/sys") && exists("/proc") }
}
