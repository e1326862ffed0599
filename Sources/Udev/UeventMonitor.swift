internal import CUdev
internal import Glibc
internal import SystemPackage

/// Listens to the kernel's own uevents (netlink group 1), which need no udevd and come as soon as they are made.
@safe package struct UeventMonitor: ~Copyable {
    private let context: OpaquePointer
    private let monitor: OpaquePointer

    /// Listens from now on to these subsystems.
    package init(subsystems: [String]) throws(UdevError) {
        unsafe (context, monitor) = try unsafe Self.listen(to: subsystems)
    }

    deinit {
        _ = unsafe udev_monitor_unref(monitor)
        _ = unsafe udev_unref(context)
    }

    /// To be polled for reading.
    package var descriptor: CInt { unsafe udev_monitor_get_fd(monitor) }

    /// Takes every event that has come.
    /// - Returns: Whether some were lost: the kernel had more than the socket could hold (ENOBUFS).
    package func drain(_ body: (Uevent) -> Void) -> Bool {
        var areLost = false
        while true {
            errno = 0
            guard let device = unsafe udev_monitor_receive_device(monitor) else {
                if errno == ENOBUFS {
                    areLost = true
                    continue
                }
                // Empty, or an event that libudev does not let through, such as one with an action it does not know.
                if hasMore { continue }
                return areLost
            }
            body(
                unsafe Uevent(
                    action: udev_device_get_action(device), subsystem: udev_device_get_subsystem(device),
                    name: udev_device_get_sysname(device)))
            _ = unsafe udev_device_unref(device)
        }
    }

    private var hasMore: Bool {
        var events = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return unsafe poll(&events, 1, 0) > 0 && events.revents & Int16(POLLIN) != 0
    }

    private static func listen(to subsystems: [String]) throws(UdevError) -> (OpaquePointer, OpaquePointer) {
        guard let context = unsafe udev_new() else { throw UdevError(call: "udev_new", errno: Errno(rawValue: errno)) }
        guard let monitor = unsafe udev_monitor_new_from_netlink(context, "kernel") else {
            let error = UdevError(call: "udev_monitor_new_from_netlink", errno: Errno(rawValue: errno))
            _ = unsafe udev_unref(context)
            throw error
        }
        var result: CInt = 0
        for subsystem in subsystems where result >= 0 {
            result = unsafe udev_monitor_filter_add_match_subsystem_devtype(monitor, subsystem, nil)
        }
        if result >= 0 { result = unsafe udev_monitor_enable_receiving(monitor) }
        guard result >= 0 else {
            _ = unsafe udev_monitor_unref(monitor)
            _ = unsafe udev_unref(context)
            throw UdevError(call: "udev_monitor_enable_receiving", errno: Errno(rawValue: -result))
        }
        return unsafe (context, monitor)
    }
}
