internal import CLinux
internal import Glibc
internal import Guard
internal import KernelFiles
internal import SystemPackage
internal import Udev

/// Waits for whatever may change a GPU's status: the kernel's events, apertured's records, and processes that open or
/// close a GPU's nodes. Nothing is polled for.
struct StatusWatch: ~Copyable {
    /// What ended a wait.
    enum Wakeup: Hashable {
        /// Something may have changed.
        case change
        /// The terminal has another size.
        case resize
        /// A signal asks the program to end, or nobody reads its output any more.
        case stop
    }

    /// Folders whose nodes are opened and closed by whoever uses a GPU. A look at the machine opens none of them.
    private static let nodes = ["/dev/vfio", "/dev/vfio/devices", "/dev/dri"]
    /// Folders in which files and folders come and go: the records, and where the others appear. A look opens the
    /// records, so that is no event.
    private static let folders = ["/run/apertured", "/run", "/dev"]

    /// What ends an event's series, in milliseconds: a bind is many events.
    private static let calm: Int32 = 100
    /// The longest wait for that, in milliseconds.
    private static let longest: Int64 = 1000

    private var monitor: UeventMonitor
    private let signals: SignalDescriptor
    private let notifications: FileDescriptor
    private let tree: FileTree

    /// Listens from now on.
    /// - Throws: `Errno` or ``UdevError`` when a descriptor cannot be opened.
    init(_ tree: FileTree) throws {
        let signals = try SignalDescriptor([SIGINT, SIGTERM, SIGHUP, SIGWINCH])
        let monitor = try UeventMonitor()
        let opened = inotify_init1(CInt(IN_NONBLOCK) | CInt(IN_CLOEXEC))
        guard opened >= 0 else { throw Errno(rawValue: errno) }
        notifications = FileDescriptor(rawValue: opened)
        self.signals = signals
        self.monitor = monitor
        self.tree = tree
        watchFolders()
    }

    deinit {
        // It was only read.
        try? notifications.close()
    }

    /// Waits for the next change, and until a series of changes is over.
    mutating func next() throws -> Wakeup {
        var wakeup: Wakeup?
        var began: Int64 = 0
        while true {
            var descriptors = [signals.descriptor, monitor.descriptor, notifications.rawValue].map {
                pollfd(fd: $0, events: Int16(POLLIN), revents: 0)
            }
            // Without events a closed pipe or terminal is reported all the same (POLLERR, POLLHUP).
            descriptors.append(pollfd(fd: STDOUT_FILENO, events: 0, revents: 0))
            let ready = unsafe poll(&descriptors, nfds_t(descriptors.count), wakeup == nil ? -1 : Self.calm)
            if ready < 0, errno != EINTR { throw Errno(rawValue: errno) }
            if let signal = signals.take() {
                guard signal == SIGWINCH else { return .stop }
                return .resize
            }
            if ready > 0, descriptors.last?.revents != 0 { return .stop }
            if let wakeup, ready == 0 || GuardLoop.now - began > Self.longest { return wakeup }
            if try takeEvents() || takeNotifications(), wakeup == nil {
                (wakeup, began) = (.change, GuardLoop.now)
            }
        }
    }

    private mutating func takeEvents() throws -> Bool {
        var concerns = false
        let taken = try monitor.take(atMost: 256) { event in
            concerns = concerns || ["pci", "platform", "graphics", "drm", "vtconsole"].contains(event.subsystem)
        }
        return concerns || taken.areEventsLost
    }

    private func takeNotifications() -> Bool {
        var bytes = [UInt8](repeating: 0, count: 4096)
        var areThere = false
        while unsafe read(notifications.rawValue, &bytes, bytes.count) > 0 { areThere = true }
        // A folder may be new.
        if areThere { watchFolders() }
        return areThere
    }

    /// Adds what can be watched. A folder that is not there yet appears in one of its parents.
    private func watchFolders() {
        let inside = IN_CREATE | IN_DELETE | IN_MOVED_TO
        for folder in Self.folders { add(folder, UInt32(inside)) }
        for folder in Self.nodes { add(folder, UInt32(inside | IN_OPEN | IN_CLOSE_WRITE | IN_CLOSE_NOWRITE)) }
    }

    private func add(_ folder: String, _ events: UInt32) {
        // One that is not there, or may not be read, tells nothing; the kernel's events still come.
        let root = tree.isMachine ? "" : tree.root.string
        _ = unsafe inotify_add_watch(notifications.rawValue, root + folder, events)
    }
}
