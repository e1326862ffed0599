internal import Aperture
internal import KernelFiles
internal import Record

/// What makes this process a card's one guard: a ``GuardLock``, kept for as long as its owner wants.
package final class CardHold {
    private var lock: GuardLock?

    /// Holds no card yet.
    package init() {}

    /// Takes the card's lock, without waiting.
    /// - Throws: ``RecordError/locked(by:)`` with the name of the guard that has it.
    func take(_ gpu: PCIAddress, in tree: FileTree, as name: String) throws(RecordError) {
        lock = try GuardLock(of: gpu, in: tree, as: name)
    }

    /// From now on another guard may take the card.
    func letGo() { lock = nil }
}
