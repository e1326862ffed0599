internal import Aperture
internal import Foundation
internal import Guard
internal import Journal
internal import KernelFiles
internal import Reclaim
internal import Synchronization
internal import SystemPackage
internal import Udev

/// Measures a guard's loop under floods of events, which anyone with a device to plug in can cause. It prints one
/// figure per line: `NAME VALUE`.
///
///     GuardSoak ROOT    a machine below ROOT with the card 0000:01:00.0, which the guard watches
@main
enum Main {
    static func main() throws {
        guard CommandLine.arguments.count == 2, let card = PCIAddress("0000:01:00.0") else {
            fatalError("usage: GuardSoak ROOT")
        }
        let bench = try Bench(card: card, root: CommandLine.arguments[1])
        try bench.measureRate()
        // The first run allocates what is allocated only once.
        try bench.measureGrowth("first-")
        try bench.measureGrowth("")
        // This is the last one, because it ends with a signal.
        try bench.measureFlood()
    }
}

/// A guard's loop in this thread, with a made-up kernel and service manager on the other ends of two sockets.
final class Bench {
    private let card: PCIAddress
    private let reader: SnapshotReader
    private let loop: GuardLoop
    private let sender: CInt
    private let manager: CInt

    /// The time between two messages to the watchdog, in seconds. The watchdog's timeout is twice that.
    private static let interval = 1.0

    init(card: PCIAddress, root: String) throws {
        self.card = card
        reader = SnapshotReader(tree: FileTree(root: FilePath(root)))
        var ends: [CInt] = [0, 0]
        guard unsafe socketpair(AF_UNIX, CInt(SOCK_DGRAM.rawValue), 0, &ends) == 0 else { fatalError("socketpair") }
        sender = ends[0]
        let path = "@apertured-soak-\(getpid())"
        let manager = socket(AF_UNIX, CInt(SOCK_DGRAM.rawValue), 0)
        self.manager = manager
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let name = [0] + Array(path.utf8.dropFirst())
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: name) }
        let bound = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                unsafe bind(manager, pointer, socklen_t(2 + name.count))
            }
        }
        guard bound == 0 else { fatalError("bind: errno \(errno)") }
        guard let watchdog = Watchdog(environment: Environment(["WATCHDOG_USEC": "\(Int(Self.interval * 2_000_000))"]))
        else { fatalError("no watchdog") }
        loop = try GuardLoop(
            card: card, notifier: ServiceNotifier(environment: Environment(["NOTIFY_SOCKET": path])),
            watchdog: watchdog, monitor: UeventMonitor(descriptor: ends[1]))
    }

    // MARK: - The figures

    /// Sends a thousand events per second of another PCI device.
    func measureRate() throws {
        let isOver = Atomic(false)
        let event = Self.event("0000:02:00.0")
        let flood = Thread { [sender] in
            while !isOver.load(ordering: .relaxed) {
                _ = Self.send(event, sender)
                usleep(1000)
            }
        }
        let (begun, used) = (Self.now, Self.used)
        flood.start()
        loop.lookAgain(afterMilliseconds: 10_000)
        _ = try loop.next()
        print("processor-percent", 100 * (Self.used - used) / (Self.now - begun))
        isOver.store(true, ordering: .relaxed)
        while !flood.isFinished { usleep(1000) }
        _ = takeSigns()
    }

    /// Sends a hundred thousand events of the card itself. The machine is read at each look.
    /// - Parameter prefix: The prefix of the figures' names.
    func measureGrowth(_ prefix: String) throws {
        let (memory, descriptors) = (Self.memory, try Self.descriptors())
        let count = Atomic(0)
        let event = Self.event("\(card)")
        let flood = Thread { [sender] in
            while count.load(ordering: .relaxed) < 100_000 {
                if Self.send(event, sender) { count.add(1, ordering: .relaxed) } else { usleep(100) }
            }
        }
        flood.start()
        var looks = 0
        while !flood.isFinished {
            loop.lookAgain(afterMilliseconds: 50)
            _ = try loop.next()
            try look()
            looks += 1
        }
        print(prefix + "events", count.load(ordering: .relaxed))
        print(prefix + "looks", looks)
        print(prefix + "memory-growth-KiB", Self.memory - memory)
        print(prefix + "descriptor-growth", try Self.descriptors() - descriptors)
        _ = takeSigns()
    }

    /// Sends events of another device as fast as possible for ten seconds, and then SIGTERM.
    func measureFlood() throws {
        let isOver = Atomic(false)
        let count = Atomic(0)
        let asked = Mutex(0.0)
        let event = Self.event("0000:02:00.0")
        let flood = Thread { [sender] in
            while !isOver.load(ordering: .relaxed) {
                if Self.send(event, sender) { count.add(1, ordering: .relaxed) } else { sched_yield() }
            }
        }
        let thread = pthread_self()
        let (begun, used) = (Self.now, Self.used)
        flood.start()
        DispatchQueue.global().asyncAfter(deadline: .now() + 10) {
            asked.withLock { $0 = Self.now }
            pthread_kill(thread, SIGTERM)
        }
        while try loop.next() != .stop {}
        let answered = Self.now
        isOver.store(true, ordering: .relaxed)
        print("flood-events-per-second", Double(count.load(ordering: .relaxed)) / (answered - begun))
        print("flood-processor-percent", 100 * (Self.used - used) / (answered - begun))
        print("flood-SIGTERM-milliseconds", 1000 * (answered - asked.withLock(\.self)))
        print("flood-datagrams-per-interval", Double(takeSigns()) / ((answered - begun) / Self.interval))
    }

    private func look() throws { _ = try reader.read(.watch(card)) }

    // MARK: - Helpers

    private static func event(_ name: String) -> [UInt8] {
        let path = "/devices/pci0000:00/\(name)"
        return Array("change@\(path)\0ACTION=change\0DEVPATH=\(path)\0SUBSYSTEM=pci\0PCI_CLASS=30000\0SEQNUM=1\0".utf8)
    }

    private static func send(_ bytes: [UInt8], _ socket: CInt) -> Bool {
        unsafe Foundation.send(socket, bytes, bytes.count, CInt(MSG_NOSIGNAL) | CInt(MSG_DONTWAIT)) > 0
    }

    private func takeSigns() -> Int {
        var bytes = [UInt8](repeating: 0, count: 64)
        var count = 0
        while unsafe recv(manager, &bytes, bytes.count, CInt(MSG_DONTWAIT)) > 0 { count += 1 }
        return count
    }

    /// In seconds.
    private static var now: Double {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    /// The CPU time of this thread, in seconds.
    private static var used: Double {
        var time = timespec()
        unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    /// VmRSS in KiB.
    private static var memory: Int {
        let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
        let line = status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") }
        return line.flatMap { Int($0.filter(\.isNumber)) } ?? 0
    }

    private static func descriptors() throws -> Int {
        try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count
    }
}
