internal import ArgumentParser
internal import Glibc

/// Entry point: parses, runs, and turns what comes of it into an exit status.
@main
enum Main {
    static func main() {
        do {
            var command = try Apertured.parseAsRoot()
            try command.run()
        } catch let status as ExitStatus {
            exit(status.rawValue)
        } catch {
            let message = Apertured.fullMessage(for: error)
            if Apertured.exitCode(for: error).isSuccess {
                // --help and --version.
                print(message)
                exit(ExitStatus.done.rawValue)
            }
            Terminal.complain(message)
            exit(ExitStatus.usage.rawValue)
        }
    }
}
