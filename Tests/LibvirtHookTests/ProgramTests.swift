import Foundation
import Testing

/// The built hook, called as libvirt calls it, for domains that have no GPU of this machine.
struct ProgramTests {
    private static var program: URL {
        URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
            .appending(path: "apertured-libvirt-hook")
    }

    /// - Parameter input: `nil` for a standard input that stays open and brings nothing.
    private func run(_ arguments: [String], _ input: [UInt8]?) throws -> (status: Int32, output: String, errors: String)
    {
        let process = Process()
        let (standardInput, output, errors) = (Pipe(), Pipe(), Pipe())
        process.executableURL = Self.program
        process.arguments = arguments
        process.standardInput = standardInput
        process.standardOutput = output
        process.standardError = errors
        try process.run()
        if let input {
            // It fits the pipe's buffer.
            try standardInput.fileHandleForWriting.write(contentsOf: Data(input))
            try standardInput.fileHandleForWriting.close()
        }
        let said = (
            output.fileHandleForReading.readDataToEndOfFile(), errors.fileHandleForReading.readDataToEndOfFile()
        )
        process.waitUntilExit()
        withExtendedLifetime(standardInput) {}
        return (
            process.terminationStatus, String(decoding: said.0, as: UTF8.self), String(decoding: said.1, as: UTF8.self)
        )
    }

    @Test("Other operations end at once, without reading the domain", arguments: ["started", "reconnect", "migrate"])
    func otherOperation(_ operation: String) throws {
        let ended = try run(["server", operation, "begin", "-"], nil)
        #expect(ended.status == 0)
        #expect(ended.output.isEmpty && ended.errors.isEmpty)
    }

    @Test("A domain without a PCI function starts")
    func noFunction() throws {
        let ended = try run(["server", "prepare", "begin", "-"], try recorded("no-pci"))
        #expect(ended.status == 0)
        #expect(ended.output.isEmpty && ended.errors.isEmpty)
    }

    @Test("What is no domain's XML fails the start, in one line")
    func wrongXML() throws {
        let ended = try run(["server", "prepare", "begin", "-"], Array("<domain".utf8))
        #expect(ended.status == 1)
        #expect(ended.errors == "apertured: the domain's XML is refused: line 1: unclosed token.\n")
    }

    @Test(
        "A call that is not libvirt's is answered with the usage",
        arguments: zip([[], ["--help"]] as [[String]], [2, 0] as [Int32]))
    func usage(_ arguments: [String], _ status: Int32) throws {
        let ended = try run(arguments, [])
        #expect(ended.status == status)
        #expect((status == 0 ? ended.output : ended.errors).hasPrefix("usage: apertured-libvirt-hook DOMAIN"))
    }
}
