internal import ArgumentParser
internal import CLinux
internal import Glibc

/// The entry point: parses the arguments, runs the command, and exits with its status.
@main
enum Main {
    static func main() {
        clinux_reset_inherited()
        var status = run()
        if unsafe Terminal.hasLostOutput { status = max(status, .failed) }
        exit(status.rawValue)
    }

    private static func run() -> ExitStatus {
        do {
            var command = try Apertured.parseAsRoot()
            try command.run()
            return .done
        } catch let status as ExitStatus {
            return status
        } catch {
            let message = Apertured.fullMessage(for: error)
            guard Apertured.exitCode(for: error).isSuccess else {
                Terminal.complain(message)
                return .usage
            }
            // --help and --version.
            Terminal.print(message)
            return .done
        }
    }
}
