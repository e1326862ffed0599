import Fixtures
import Foundation
import Journal
import SystemPackage
import Testing

@Suite(.timeLimit(.minutes(1)))
struct ServiceNotifierTests {
    struct Row: Sendable {
        let state: ServiceState
        let text: String
    }

    private let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
    }

    private func notifier(_ path: String) throws -> ServiceNotifier {
        try ServiceNotifier(environment: Environment(["NOTIFY_SOCKET": path]))
    }

    @Test(arguments: [
        Row(state: .ready, text: "READY=1"),
        Row(state: .stopping, text: "STOPPING=1"),
        Row(state: .reloading(at: 12_345_678), text: "RELOADING=1\nMONOTONIC_USEC=12345678"),
        Row(state: .status("guarding 0000:01:00.0"), text: "STATUS=guarding 0000:01:00.0"),
        Row(state: .status("two\nlines\r\nREADY=1"), text: "STATUS=two lines READY=1"),
        Row(
            // The manager would drop it, and READY with it.
            state: .status(String(repeating: "a", count: 1023) + "éé"),
            text: "STATUS=" + String(repeating: "a", count: 1023) + "…"),
        Row(state: .watchdog, text: "WATCHDOG=1"),
        Row(state: .failure(.resourceBusy), text: "ERRNO=16"),
        Row(state: .extendTimeout(30_000_000), text: "EXTEND_TIMEOUT_USEC=30000000"),
    ])
    func `each state is told in the manager's words`(row: Row) throws {
        let path = folder.path + "/notify"
        let listener = try Listener(at: path)
        try notifier(path).tell(row.state)
        #expect(try listener.receive().text == row.text)
    }

    @Test func `several states come at once`() throws {
        let path = folder.path + "/notify"
        let listener = try Listener(at: path)
        try notifier(path).tell(.status("off"), .ready)
        #expect(try listener.receive().text == "STATUS=off\nREADY=1")
        #expect(!listener.hasDatagram)
    }

    @Test func `a reload carries the time of its beginning`() throws {
        let path = folder.path + "/notify"
        let listener = try Listener(at: path)
        var before = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &before)
        try notifier(path).tellReloading()
        let lines = try listener.receive().text.split(separator: "\n")
        let time = try #require(lines.last.flatMap { UInt64($0.dropFirst("MONOTONIC_USEC=".count)) })
        let earliest = UInt64(before.tv_sec) * 1_000_000 + UInt64(before.tv_nsec) / 1000
        #expect(lines.first == "RELOADING=1")
        #expect((earliest..<earliest + 60_000_000).contains(time))
    }

    @Test func `a name in the abstract namespace is no file`() throws {
        let name = "@apertured-test-\(getpid())"
        let listener = try Listener(at: name)
        try notifier(name).tell(.ready)
        #expect(try listener.receive().text == "READY=1")
    }

    @Test(arguments: [[:], ["NOTIFY_SOCKET": ""]])
    func `without a manager nothing is told, and nothing fails`(variables: [String: String]) throws {
        let notifier = try ServiceNotifier(environment: Environment(variables))
        #expect(!notifier.hasManager)
        try notifier.tell(.ready)
    }

    @Test func `an address of another kind is an error`() {
        #expect(throws: JournalError(.openSocket, "vsock:2:1234", .addressFamilyNotSupported)) {
            try notifier("vsock:2:1234")
        }
    }

    @Test func `a manager that does not listen is an error`() throws {
        let path = folder.path + "/nobody"
        #expect(throws: JournalError(.send, path, .noSuchFileOrDirectory)) { try notifier(path).tell(.ready) }
    }

    @Test func `what must be heard is offered again until a busy manager takes it`() throws {
        let path = folder.path + "/busy"
        let listener = try Listener(at: path)
        let notifier = try notifier(path)
        let filled = fill(notifier)
        #expect(throws: JournalError(.send, path, .resourceTemporarilyUnavailable)) { try notifier.tell(.ready) }
        #expect(throws: JournalError(.send, path, .resourceTemporarilyUnavailable)) {
            try notifier.tellSurely(.ready, within: 1500)
        }
        // The manager has time for the first only when an attempt has failed. A thread of its own: the others may be busy.
        let reader = Thread {
            Thread.sleep(forTimeInterval: 1.5)
            #expect(throws: Never.self) { for _ in 0..<filled { _ = try listener.receive() } }
        }
        reader.start()
        try notifier.tellSurely(.ready, within: 600_000)
        while !reader.isFinished { Thread.sleep(forTimeInterval: 0.01) }
        #expect(try listener.receive().text == "READY=1")
    }

    @Test(.timeLimit(.minutes(1)))
    func `whoever is told to stop waits for no busy manager`() throws {
        let path = folder.path + "/busy"
        let listener = try Listener(at: path)
        let notifier = try notifier(path)
        _ = fill(notifier)
        let start = ContinuousClock().now
        #expect(throws: JournalError.self) { try notifier.tellSurely(.ready, unless: { true }) }
        #expect(ContinuousClock().now - start < .seconds(ServiceNotifier.standardDeadline / 1000))
        #expect(listener.hasDatagram)
    }

    /// Fills the manager's queue. Returns how many datagrams it took.
    private func fill(_ notifier: ServiceNotifier) -> Int {
        var count = 0
        // An attempt that fails has waited for a second.
        while (try? notifier.tell(.watchdog)) != nil { count += 1 }
        return count
    }

    @Test func `the watchdog wants two signs of life in its time`() throws {
        let watchdog = try #require(
            Watchdog(environment: Environment(["WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "7"]), process: 7))
        #expect(watchdog.timeoutMicroseconds == 60_000_000)
        #expect(watchdog.intervalMilliseconds == 30_000)
        #expect(Watchdog(environment: Environment(["WATCHDOG_USEC": "1"]), process: 7)?.intervalMilliseconds == 1)
        let endless = Watchdog(environment: Environment(["WATCHDOG_USEC": "\(UInt64.max)"]), process: 7)
        #expect(endless?.intervalMilliseconds == .max)
    }

    @Test(arguments: [
        [:], ["WATCHDOG_USEC": ""], ["WATCHDOG_USEC": "0"], ["WATCHDOG_USEC": "-1"], ["WATCHDOG_USEC": "1s"],
        ["WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "8"], ["WATCHDOG_USEC": "1000000", "WATCHDOG_PID": ""],
    ])
    func `no watchdog, or another process's, wants nothing`(variables: [String: String]) {
        #expect(Watchdog(environment: Environment(variables), process: 7) == nil)
    }
}
