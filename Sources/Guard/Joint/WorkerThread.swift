internal import CLinux
internal import Glibc
package import SystemPackage

/// A thread of this process that nobody waits for.
package enum WorkerThread {
    /// Of a thread's stack, in bytes: as much as it may use, and not what it uses.
    private static let stack = 1 << 20

    private final class Box: Sendable {
        let work: @Sendable () -> Void

        init(_ work: @escaping @Sendable () -> Void) { self.work = work }
    }

    /// Starts a thread that does this work.
    /// - Throws: When the system has no room for one more.
    package static func start(_ work: @escaping @Sendable () -> Void) throws(Errno) {
        var attributes = pthread_attr_t()
        unsafe pthread_attr_init(&attributes)
        unsafe pthread_attr_setstacksize(&attributes, stack)
        unsafe pthread_attr_setdetachstate(&attributes, CInt(PTHREAD_CREATE_DETACHED))
        defer { unsafe pthread_attr_destroy(&attributes) }
        var thread = pthread_t()
        let context = unsafe Unmanaged.passRetained(Box(work))
        let error = unsafe pthread_create(
            &thread, &attributes,
            { context in
                guard let context = unsafe context else { return nil }
                unsafe Unmanaged<Box>.fromOpaque(context).takeRetainedValue().work()
                return nil
            }, context.toOpaque())
        if error != 0 {
            unsafe context.release()
            throw Errno(rawValue: error)
        }
    }
}
