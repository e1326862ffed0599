import apertured
import Testing

struct UnitRunTests {
    private static let failed = UnitRun(result: "exit-code", exitCode: "exited", exitStatus: "1")

    @Test func `a failed start keeps its reservation for three more tries`() {
        for restarts in 0..<5 {
            var run = Self.failed
            run.restarts = restarts
            #expect(run.isKeptForNextTry == (restarts < 3))
            #expect(run.isReservationOver == (restarts >= 3))
        }
    }

    @Test(arguments: ["watchdog", "signal", "core-dump", "timeout", "oom-kill"])
    func `so does one that was ended`(result: String) {
        // A signal's name is no exit status, whatever its number.
        let run = UnitRun(result: result, exitCode: "killed", exitStatus: "KILL")
        #expect(run.isKeptForNextTry)
        #expect(!run.isReservationOver)
    }

    @Test(arguments: ["2", "3", "4"])
    func `a refusal is final`(status: String) {
        var run = Self.failed
        run.exitStatus = status
        #expect(!run.isKeptForNextTry)
        #expect(run.isReservationOver)
    }

    @Test func `so is a stop, unless the guard was ready: then what is without a record was meant to be`() {
        var run = UnitRun(result: "success", exitCode: "exited", exitStatus: "0")
        #expect(run.isReservationOver)
        run.wasReady = true
        #expect(!run.isReservationOver)
    }

    @Test func `a card that is gone has nothing to be given back`() {
        let run = UnitRun(result: "success", exitCode: "exited", exitStatus: "5")
        #expect(run.hasCardGone)
        #expect(!run.isReservationOver)
    }
}
