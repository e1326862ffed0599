internal import Aperture
internal import Configuration
internal import Guard
internal import Journal
internal import SystemPackage

/// Logs what the guard of several cards reports of itself. The catalog explains entries about one card; these have no
/// identifier, unless they name one.
struct JointLog {
    let log: Log

    func tell(_ event: JointEvent) {
        switch event {
        case .configurationWarning(let warning):
            let place = warning.place
            write(
                .configurationWarning, .warning, "\(warning)",
                [.init(.configurationFile, place.file), .init(.configurationLine, "\(place.line)")])
        case .configurationRefused(let refusal): refuse(refusal)
        case .begins(let cards):
            let names = cards.map(\.description).joined(separator: ", ")
            write(nil, .info, cards.isEmpty ? "no card to guard yet" : "guarding in one process: \(names)")
        case .noThread(let card, let error):
            write(
                .failed, .error, "\(card) is not guarded: no thread could be started: \(error)",
                [.init(.gpu, "\(card)"), .init(.errno, "\(error.rawValue)")])
        case .silent(let card, let milliseconds):
            write(
                .failed, .error,
                "\(card): its thread has given no sign for \(milliseconds / 1000) s; the other cards are guarded as before",
                [.init(.gpu, "\(card)")])
        case .ueventsLost: write(nil, .warning, "events were lost: reading everything again")
        case .failed(let reason): write(nil, .error, reason)
        case .stopped: write(nil, .info, "the guard ends")
        case .leftBehind(let cards):
            let names = cards.map(\.description).joined(separator: ", ")
            write(
                nil, .error,
                "the guard ends without \(names): a call into the kernel has not returned; run `apertured recover` later"
            )
        }
    }

    func refuse(_ refusal: Refusal) {
        write(nil, .error, "\(refusal)", [.init(.code, refusal.code.rawValue)], isRefusal: true)
    }

    /// For a guard that probes do not see.
    func unseen(_ error: some Error) {
        write(nil, .warning, "`apertured status --probe` does not tell of this guard: \(error)")
    }

    func fail(_ error: some Error) { write(nil, .error, "\(error)") }

    func switchedOff() {
        write(nil, .warning, "apertured=off on the kernel command line: doing nothing")
    }

    private func write(
        _ id: MessageID?, _ priority: Priority, _ message: String, _ fields: [JournalEntry.Field] = [],
        isRefusal: Bool = false
    ) {
        log.write(JournalEntry(id, priority, message, fields, about: nil, isRefusal: isRefusal))
    }
}
