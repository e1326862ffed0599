import CJournal
import CUmockdev
import Foundation

/// Devices of umockdev's, and their uevents. There is one testbed in a process at a time: it stands in its environment.
// Nothing changes after init(), and umockdev sends from any thread.
@safe final class Testbed: @unchecked Sendable {
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    struct Device: Sendable {
        let subsystem: String
        let name: String

        /// Where the testbed's /sys has it.
        var path: String { "/sys/devices/\(name)" }

        init(_ subsystem: String, _ name: String) {
            self.subsystem = subsystem
            self.name = name
        }
    }

    /// How a uevent is written.
    enum Form: CaseIterable {
        /// As umockdev writes it: like udevd, with hashes that libudev's socket filter looks at.
        case udev
        /// As the kernel writes it: it passes the socket's filter, and libudev drops what was not asked for.
        case kernel
    }

    private let bed: UnsafeMutablePointer<UMockdevTestbed>
    private let sender: CInt

    init(_ devices: [Device]) throws {
        guard let bed = unsafe umockdev_testbed_new() else { throw Failure(description: "umockdev has no testbed") }
        unsafe self.bed = unsafe bed
        sender = cjournal_socket(1000)
        guard umockdev_in_mock_environment() != 0 else {
            throw Failure(description: "these tests run under umockdev-wrapper: see `make unit`")
        }
        guard sender >= 0 else { throw Failure(description: "socket: errno \(-sender)") }
        for device in devices {
            var attributes: [UnsafeMutablePointer<gchar>?] = unsafe [nil]
            var properties = unsafe attributes
            let path = unsafe umockdev_testbed_add_devicev(
                bed, device.subsystem, device.name, nil, &attributes, &properties)
            guard let path = unsafe path else { throw Failure(description: "umockdev did not add \(device)") }
            defer { unsafe g_free(path) }
            let text = unsafe String(cString: path)
            guard text == device.path else { throw Failure(description: "umockdev added \(text)") }
        }
    }

    deinit {
        _ = close(sender)
        unsafe g_object_unref(bed)
    }

    /// Sends a uevent to whoever listens.
    func send(_ action: String, _ device: Device, as form: Form = .kernel) throws {
        switch form {
        case .udev: unsafe umockdev_testbed_uevent(bed, device.path, action)
        case .kernel:
            try send(
                """
                \(action)@/devices/\(device.name)\0ACTION=\(action)\0DEVPATH=/devices/\(device.name)\0\
                SUBSYSTEM=\(device.subsystem)\0SEQNUM=4711\0
                """)
        }
    }

    /// Sends this datagram to the sockets that umockdev's preload puts in the place of netlink's.
    private func send(_ datagram: String) throws {
        guard let root = unsafe umockdev_testbed_get_root_dir(bed) else {
            throw Failure(description: "the testbed has no folder")
        }
        defer { unsafe g_free(root) }
        let folder = unsafe String(cString: root)
        let listeners = try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasPrefix("event") }
        guard !listeners.isEmpty else { throw Failure(description: "nobody listens to uevents") }
        let bytes = Array(datagram.utf8)
        for listener in listeners {
            let result = unsafe cjournal_send(sender, "\(folder)/\(listener)", bytes, bytes.count)
            guard result == 0 else { throw Failure(description: "\(listener): errno \(-result)") }
        }
    }
}
