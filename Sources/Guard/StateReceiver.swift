package import Journal

/// Receives the states of a guard: the service manager, or the guard of several cards.
package protocol StateReceiver {
    /// Sends these states together.
    /// - Throws: When they do not arrive.
    func tell(_ states: [ServiceState]) throws(JournalError)

    /// Sends states that must arrive, and tries again while the receiver is busy.
    /// - Parameter interruption: Called between two attempts; returns true to give up.
    func tellSurely(_ states: [ServiceState], unless interruption: () -> Bool) throws(JournalError)

    /// Reports that a reload begins now.
    func tellReloading() throws(JournalError)
}

extension StateReceiver {
    /// ``tellSurely(_:unless:)``, which nothing ends before its time.
    func tellSurely(_ states: [ServiceState]) throws(JournalError) { try tellSurely(states, unless: { false }) }
}

extension ServiceNotifier: StateReceiver {
    package func tellSurely(_ states: [ServiceState], unless interruption: () -> Bool) throws(JournalError) {
        try tellSurely(states, within: Self.standardDeadline, unless: interruption)
    }
}
