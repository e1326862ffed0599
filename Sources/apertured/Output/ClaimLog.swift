internal import Aperture
internal import Logging
internal import Record
internal import Reclaim
internal import VFIO

/// Tells a claim's story, a line an event, on the standard error.
struct ClaimLog {
    private var logger: Logger
    private let address: PCIAddress

    init(address: PCIAddress, level: Logger.Level) {
        self.address = address
        logger = Logger(label: "apertured", factory: { _ in StandardErrorHandler() })
        logger.logLevel = level
    }

    func tell(_ event: ClaimEvent) {
        switch event {
        case .planned(let plan):
            for conflict in plan.conflicts {
                logger.info("\(address): BAR \(conflict.bar) holds \(conflict.claim.name)")
            }
        case .warning(let warning):
            logger.warning("\(address): \(warning)")
        case .stepping(let step):
            logger.info("\(address): \(step.rung.rawValue): \(step.action.rawValue) \(step.target): \(step.reason)")
        case .stepped:
            break
        case .reread(let remaining):
            let owners = remaining.map { "\($0.claim.name) in BAR \($0.bar)" }.joined(separator: ", ")
            logger.debug("\(address): still claimed: \(owners.isEmpty ? "nothing" : owners)")
        case .recovering(let state):
            logger.notice("\(address): an earlier run was cut short while \(state.rawValue): settling it first")
        case .undoing(let step):
            logger.info("\(address): back: \(step.action.rawValue) \(step.target): \(step.reason)")
        case .notUndone(let failure):
            logger.error("\(address): \(failure)")
        case .lost(let sentence):
            logger.warning("\(address): \(sentence)")
        case .proving:
            logger.debug("\(address): mapping every BAR through VFIO")
        case .proved(let proofs):
            proofs.forEach { logger.info("\($0)") }
        }
    }

    func refuse(_ refusal: Refusal) {
        logger.error("refused: \(refusal)")
    }

    func fail(_ error: some Error) {
        logger.error("\(address): \(error)")
    }
}
