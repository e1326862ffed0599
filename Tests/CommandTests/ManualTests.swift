import Aperture
import Configuration
import Foundation
import Testing
import apertured

/// The manuals name everything that a person may meet.
struct ManualTests {
    /// A manual's text, without the marks that roff wants in front of hyphens.
    private func manual(_ name: String) throws -> String {
        let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../..").standardized
        return try String(contentsOf: root.appending(path: "man/\(name)"), encoding: .utf8)
            .replacing("\\-", with: "-")
    }

    @Test(arguments: Refusal.Code.allCases.map(\.rawValue))
    func `every refusal stands in the manual, in bold`(code: String) throws {
        #expect(try manual("apertured.8").contains(try Regex("(?m)^\\.(B|BR) (.* )?\(code)( |$)")))
    }

    @Test(arguments: apertured.ExitStatus.allCases)
    func `every exit status stands in the manual, with its meaning`(status: apertured.ExitStatus) throws {
        let manual = try manual("apertured.8").replacing(".BR guard :\n", with: "guard: ")
        #expect(manual.contains(".B \(status.rawValue)\n\(status.meaning)\n"))
    }

    @Test(arguments: Finding.Name.allCases.map(\.rawValue))
    func `every finding of doctor stands in the manual, in bold`(name: String) throws {
        let sections = try manual("apertured.8").split(separator: ".SH ")
        let diagnosis = try #require(sections.first { $0.hasPrefix("DIAGNOSIS") })
        #expect(diagnosis.contains(try Regex("(?m)^\\.(B|BR) (.* )?\(name)( |$)")))
    }

    @Test(arguments: ["apertured.8", "apertured.conf.5"])
    func `the drivers that may probe a card once stand in both manuals, and no other`(name: String) throws {
        let drivers = NativeDriver.allowedToBounce.map(\.module)
        let list = drivers.dropLast().joined(separator: ", ")
        let last = try #require(drivers.last)
        let text = try manual(name)
        #expect(text.contains("\(list), \(last) ") || text.contains("\(list) or \(last)."))
    }

    @Test(arguments: ClaimOptions.Residue.allCases.map(\.rawValue))
    func `every way to end a residue is explained in the manual`(residue: String) throws {
        #expect(try manual("apertured.8").contains("\n.B \(residue)\n"))
    }

    @Test(arguments: ConfigurationReader.directories)
    func `every directory that is read stands in the manual`(directory: String) throws {
        let text = try manual("apertured.conf.5")
        #expect(text.contains(".I \(directory)/apertured.conf\n"))
        #expect(text.contains(".I \(directory)/apertured.conf.d/*.conf\n"))
    }
}
