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
        let arguments = PlainArguments(Array(CommandLine.arguments.dropFirst()))
        if arguments.asksForVersion {
            Terminal.print(Apertured.nameAndVersion)
            return .done
        }
        guard let verb = arguments.verb() else { return parse() }
        do throws(ExitStatus) {
            try verb.run()
            return .done
        } catch {
            return error
        }
    }

    private static func parse() -> ExitStatus {
        // The parser's own option, for which the release build has no JSON encoder: see packaging/link.
        if CommandLine.arguments.contains("--experimental-dump-help") {
            Terminal.fail("Unknown option '--experimental-dump-help'")
            return .usage
        }
        do {
            var command = try Apertured.parseAsRoot()
            try command.run()
            return .done
        } catch let status as ExitStatus {
            return status
        } catch {
            let message = Apertured.fullMessage(for: error)
            guard Apertured.exitCode(for: error).isSuccess else {
                let verb = Apertured.verbMeant(by: CommandLine.arguments)
                Terminal.complainOfUsage(message + (verb.map { "\n  Did you mean 'apertured \($0)'?" } ?? ""))
                return .usage
            }
            // --help and --version.
            Terminal.print(message)
            return .done
        }
    }
}
