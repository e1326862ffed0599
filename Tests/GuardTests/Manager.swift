import Fixtures
import Foundation
import Journal
import Synchronization
import Testing

/// A service manager that hears the guard's signs of life. The guard gives one before each wait, so that the second tells
/// that the first wait is over.
final class Manager: Sendable {
    /// Half of it is how long the guard waits at most.
    let watchdog: Watchdog
    let notifier: ServiceNotifier

    private let folder: TemporaryFolder
    private let descriptor: CInt
    private let heard = Mutex<[String]>([])
    private let ready = Mutex(false)

    /// How many signs of life there were so far.
    var count: Int {
        forget()
        return heard.withLock(\.count)
    }

    /// Whether it was told that the service is ready.
    var isReady: Bool {
        forget()
        return ready.withLock(\.self)
    }

    /// What it was told so far, one datagram each.
    var texts: [String] {
        forget()
        return heard.withLock(\.self)
    }

    init() throws {
        folder = try TemporaryFolder()
        let path = "\(folder.path)/notify"
        watchdog = try #require(Watchdog(environment: Environment(["WATCHDOG_USEC": "40000"])))
        notifier = try ServiceNotifier(environment: Environment(["NOTIFY_SOCKET": path]))
        descriptor = socket(AF_UNIX, CInt(SOCK_DGRAM.rawValue), 0)
        try #require(descriptor >= 0)
        var limit = timeval(tv_sec: 5, tv_usec: 0)
        unsafe setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        try #require(bytes.count < MemoryLayout.size(ofValue: address.sun_path))
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: bytes) }
        let result = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        try #require(result == 0)
    }

    deinit {
        close(descriptor)
    }

    /// Forgets the signs of life so far.
    func forget() {
        while take(CInt(MSG_DONTWAIT)) {}
    }

    /// Waits for a sign of life, at most five seconds.
    func awaitSign() -> Bool { take(0) }

    private func take(_ flags: CInt) -> Bool {
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = unsafe recv(descriptor, &bytes, bytes.count, flags)
        guard count > 0 else { return false }
        let text = String(decoding: bytes.prefix(count), as: UTF8.self)
        heard.withLock { $0.append(text) }
        if text.contains("READY=1") { ready.withLock { $0 = true } }
        return true
    }
}
