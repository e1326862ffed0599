import Foundation
import Journal
import Testing

struct CatalogTests {
    private let catalog: Catalog

    init() throws {
        catalog = try Catalog(path: "systemd/apertured.catalog")
    }

    @Test func `every kind of event has one text, and every text a kind`() {
        let numbers = catalog.entries.map(\.number)
        #expect(Set(numbers).count == numbers.count)
        #expect(Set(numbers) == Set(MessageID.allCases.map(\.rawValue)))
    }

    @Test(arguments: MessageID.allCases)
    func `a number is 128 random bits, as a UUID of version 4`(id: MessageID) {
        let digits = Array(id.rawValue)
        #expect(digits.count == 32)
        #expect(digits.allSatisfy { $0.isHexDigit && !$0.isUppercase })
        #expect(digits[12] == "4")
        #expect("89ab".contains(digits[16]))
    }

    @Test(arguments: MessageID.allCases)
    func `a text says what happened, names its manual, and explains`(id: MessageID) throws {
        let entry = try #require(catalog.entries.first { $0.number == id.rawValue })
        #expect(entry.headers.first?.name == "Subject")
        #expect(entry.headers.contains { $0 == ("Defined-By", "apertured") })
        #expect(entry.headers.contains { $0.name == "Documentation" && $0.value.hasPrefix("man:apertured") })
        #expect(entry.body.count > 60)
        #expect(entry.body.split(separator: "\n").allSatisfy { $0.count <= 85 })
    }

    @Test(arguments: MessageID.allCases)
    func `a text names no field that its kind does not carry, and all that it does`(id: MessageID) throws {
        let entry = try #require(catalog.entries.first { $0.number == id.rawValue })
        #expect(entry.fields == Set(id.fields.map(\.rawValue)))
    }
}

/// A message catalog's source (systemd.io, "Journal Message Catalogs").
private struct Catalog {
    struct Entry {
        var number: String
        var headers: [(name: String, value: String)] = []
        var body = ""

        /// The fields that the subject and the body name: `@NAME@`, of capitals and underscores.
        var fields: Set<String> {
            let text = headers.map(\.value).joined(separator: "\n") + body
            return Set(text.matches(of: /@([A-Z_]+)@/).map { String($0.1) })
        }
    }

    var entries: [Entry] = []

    init(path: String) throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../..").standardized
        var isHeader = false
        for line in try String(contentsOf: root.appending(path: path), encoding: .utf8).split(
            separator: "\n", omittingEmptySubsequences: false)
        {
            if line.hasPrefix("#") { continue }
            if line.hasPrefix("-- ") {
                entries.append(Entry(number: String(line.dropFirst(3))))
                isHeader = true
            } else if let last = entries.indices.last {
                if isHeader, let colon = line.firstIndex(of: ":") {
                    let value = line[colon...].dropFirst().drop { $0 == " " }
                    entries[last].headers.append((String(line[..<colon]), String(value)))
                } else if isHeader {
                    try #require(line.isEmpty)
                    isHeader = false
                } else {
                    entries[last].body += line + "\n"
                }
            }
        }
    }
}
