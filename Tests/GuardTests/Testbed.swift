import Foundation
import Udev

/// A kernel that sends uevents, as datagrams of a socket's other end.
final class Testbed: Sendable {
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    struct Device: Sendable {
        let subsystem: String
        let name: String

        init(_ subsystem: String, _ name: String) {
            self.subsystem = subsystem
            self.name = name
        }
    }

    private let sender: CInt
    /// For ``UeventMonitor``, which closes it.
    let listener: CInt

    init() throws {
        var ends: [CInt] = [0, 0]
        guard unsafe socketpair(AF_UNIX, CInt(SOCK_DGRAM.rawValue), 0, &ends) == 0 else {
            throw Failure(description: "socketpair: errno \(errno)")
        }
        (sender, listener) = (ends[0], ends[1])
    }

    deinit {
        _ = close(sender)
    }

    /// Sends a uevent, as the kernel writes it (`uevent_net_broadcast()`).
    func send(_ action: String, _ device: Device) throws {
        let path = "/devices/\(device.name)"
        try send("\(action)@\(path)\0ACTION=\(action)\0DEVPATH=\(path)\0SUBSYSTEM=\(device.subsystem)\0SEQNUM=4711\0")
    }

    func send(_ datagram: String) throws {
        let bytes = Array(datagram.utf8)
        let count = unsafe Foundation.send(sender, bytes, bytes.count, CInt(MSG_NOSIGNAL))
        guard count == bytes.count else { throw Failure(description: "send: errno \(errno)") }
    }

    /// Sends the event as fast as it is taken, until nobody listens any more. To be called from a thread of its own.
    /// - Returns: How many were sent.
    func flood(_ action: String, _ device: Device, until isOver: () -> Bool) -> Int {
        let path = "/devices/\(device.name)"
        let bytes = Array(
            "\(action)@\(path)\0ACTION=\(action)\0DEVPATH=\(path)\0SUBSYSTEM=\(device.subsystem)\0".utf8)
        var count = 0
        while !isOver() {
            let flags = CInt(MSG_NOSIGNAL) | CInt(MSG_DONTWAIT)
            if unsafe Foundation.send(sender, bytes, bytes.count, flags) > 0 { count += 1 } else { sched_yield() }
        }
        return count
    }
}
