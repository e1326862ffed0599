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

    /// Waits for an event that fits.
    /// - Parameter milliseconds: How long at the most, over all events that do not fit.
    /// - Returns: The event, or `nil` when none came in time.
    package func next(
        within milliseconds: Int32, where fits: (Uevent) -> Bool
    ) throws(UdevError) -> Uevent? {
        let deadline = Self.now() + Int64(milliseconds)
        while true {
            var descriptor = pollfd(fd: unsafe udev_monitor_get_fd(monitor), events: Int16(POLLIN), revents: 0)
            let left = deadline - Self.now()
            guard left > 0 else { return nil }
            let ready = unsafe poll(&descriptor, 1, Int32(left))
            if ready < 0, errno != EINTR { throw UdevError(call: "poll", errno: Errno(rawValue: errno)) }
            guard ready > 0 else { continue }
            if let event = receive(), fits(event) { return event }
        }
    }

    /// The next event in the queue; `nil` when there is none, or it is not one that libudev lets through.
    private func receive() -> Uevent? {
        guard let device = unsafe udev_monitor_receive_device(monitor) else { return nil }
        defer { _ = unsafe udev_device_unref(device) }
        return unsafe Uevent(
            action: Self.text(unsafe udev_device_get_action(device)),
            subsystem: Self.text(unsafe udev_device_get_subsystem(device)),
            name: Self.text(unsafe udev_device_get_sysname(device)))
    }

    private static func text(_ pointer: UnsafePointer<CChar>?) -> String {
        guard let pointer = unsafe pointer else { return "" }
        return unsafe String(cString: pointer)
    }

    private static func now() -> Int64 {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
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
