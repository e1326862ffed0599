import Aperture
import Testing

struct IomemParserTests {
    struct Line: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let text: String
        let start: UInt64
        let last: UInt64
        let name: String

        init(_ description: String, _ text: String, _ start: UInt64, _ last: UInt64, _ name: String) {
            testDescription = description
            self.text = text
            self.start = start
            self.last = last
            self.name = name
        }
    }

    @Test(arguments: [
        Line("plain", "c0000000-c03e7fff : efifb\n", 0xc000_0000, 0xc03e_7fff, "efifb"),
        Line("indented", "        c0000000-c03e7fff : efifb\n", 0xc000_0000, 0xc03e_7fff, "efifb"),
        Line("tabs", "\t \tc0000000-c03e7fff : efifb\n", 0xc000_0000, 0xc03e_7fff, "efifb"),
        Line("upper case", "C0000000-C03E7FFF : efifb\n", 0xc000_0000, 0xc03e_7fff, "efifb"),
        Line("no line feed at the end", "c0000000-c03e7fff : efifb", 0xc000_0000, 0xc03e_7fff, "efifb"),
        Line("a carriage return", "c0000000-c03e7fff : efifb\r\n", 0xc000_0000, 0xc03e_7fff, "efifb"),
        Line("a carriage return at the end", "c0000000-c03e7fff : efifb\r", 0xc000_0000, 0xc03e_7fff, "efifb"),
        Line("a carriage return in the name", "0-1 : a\rb\n", 0, 1, "a\rb"),
        Line("blank lines around it", "\n \t\n\r\n  \r\n0-1 : a\n\n \n", 0, 1, "a"),
        Line("a colon in the name", "0-1 : PCI MMCONFIG : 0000 [bus 00-ff]\n", 0, 1, "PCI MMCONFIG : 0000 [bus 00-ff]"),
        Line("a name that begins with a colon", "0-1 :  : a\n", 0, 1, " : a"),
        Line("spaces around the name", "0-1 :  a \n", 0, 1, " a "),
        Line("an empty name", "0-1 : \n", 0, 1, ""),
        Line("an empty name and a carriage return", "0-1 : \r\n", 0, 1, ""),
        Line("UTF-8", "0-1 : Größe\n", 0, 1, "Größe"),
        Line("a bad name of the kernel's", "0-1 : <BAD>\n", 0, 1, "<BAD>"),
        Line("one digit", "f-f : a\n", 0xf, 0xf, "a"),
        Line("64 bits", "0000000000000000-ffffffffffffffff : a\n", 0, .max, "a"),
        Line("a name longer than 15 bytes", "0-1 : PCI Bus 0000:00 and more\n", 0, 1, "PCI Bus 0000:00 and more"),
    ])
    func `reads an entry`(line: Line) throws {
        let entries = try Iomem.parse(Array(line.text.utf8))
        let range = try #require(AddressRange(start: line.start, last: line.last))
        #expect(entries == [IomemEntry(range: range, name: line.name)])
    }

    @Test func `keeps the order of the lines`() throws {
        let text = """
            00001000-0009ffff : System RAM
            c0000000-d1ffffff : PCI Bus 0000:01
              c0000000-c0ffffff : 0000:01:00.0
                c0000000-c03e7fff : efifb
            """
        let entries = try Iomem.parse(Array(text.utf8))
        #expect(entries.map(\.name) == ["System RAM", "PCI Bus 0000:01", "0000:01:00.0", "efifb"])
    }

    @Test func `repairs a name that is no UTF-8`() throws {
        let entries = try Iomem.parse(Array("0-1 : a".utf8) + [0xff, 0x00] + Array("b\n".utf8))
        #expect(entries.map(\.name) == ["a\u{fffd}\0b"])
        let long = try Iomem.parse(Array("0-1 : a name long enough ".utf8) + [0xc3] + Array(" for an allocation".utf8))
        #expect(long.map(\.name) == ["a name long enough \u{fffd} for an allocation"])
    }

    @Test(arguments: ["", "\n", " ", "\r\n", "\r", " \t\r\n\n\t"])
    func `finds no entry in blank lines`(text: String) throws {
        #expect(try Iomem.parse(Array(text.utf8)).isEmpty)
    }

    struct Fault: CustomTestStringConvertible, Sendable {
        let text: String
        let line: Int
        let column: Int
        let expected: String

        var testDescription: String { "\(text.prefix(40).debugDescription)" }

        init(_ text: String, _ line: Int, _ column: Int, _ expected: String) {
            self.text = text
            self.line = line
            self.column = column
            self.expected = expected
        }
    }

    @Test(arguments: [
        Fault("garbage\n", 1, 1, "a hexadecimal number"),
        Fault("0-1 : a\n  garbage\n", 2, 3, "a hexadecimal number"),
        Fault("-1 : a\n", 1, 1, "a hexadecimal number"),
        Fault("0x0-1 : a\n", 1, 2, "\"-\""),
        Fault("0 - 1 : a\n", 1, 2, "\"-\""),
        Fault("0- 1 : a\n", 1, 3, "a hexadecimal number"),
        Fault("0-g : a\n", 1, 3, "a hexadecimal number"),
        Fault("0-1: a\n", 1, 4, "\" \""),
        Fault("0-1 a\n", 1, 5, "\":\""),
        Fault("0-1 :a\n", 1, 6, "\" \""),
        Fault("0-1 :\n", 1, 6, "\" \""),
        Fault("0-1\t: a\n", 1, 4, "\" \""),
        Fault("0-1\r\n", 1, 4, "\" \""),
        Fault("00000000000000000-1 : a\n", 1, 17, "at most 16 digits"),
        Fault("0-10000000000000000 : a\n", 1, 19, "at most 16 digits"),
        Fault("2-1 : a\n", 1, 3, "an end not before the start"),
        Fault("\n\n  1000-fff : a\n", 3, 8, "an end not before the start"),
        // Cut off anywhere.
        Fault("0-1 : a\nc", 2, 2, "\"-\""),
        Fault("0-1 : a\nc-", 2, 3, "a hexadecimal number"),
        Fault("0-1 : a\nc-d", 2, 4, "\" \""),
        Fault("0-1 : a\nc-d ", 2, 5, "\":\""),
        Fault("0-1 : a\nc-d :", 2, 6, "\" \""),
        Fault("0-1 : a\nc-d : ", 2, 7, "a name"),
        Fault("0-1 : a\nc-d : \r", 2, 8, "a name"),
        // A byte order mark, a NUL, a lone carriage return, an alien separator.
        Fault("\u{feff}0-1 : a\n", 1, 1, "a hexadecimal number"),
        Fault("\0\n", 1, 1, "a hexadecimal number"),
        Fault("\r0-1 : a\n", 1, 1, "a hexadecimal number"),
        Fault("0\u{2013}1 : a\n", 1, 2, "\"-\""),
    ])
    func `refuses what is no entry, and says where`(fault: Fault) {
        let error = #expect(throws: ParseError.self) { try Iomem.parse(Array(fault.text.utf8)) }
        let expected = ParseError(
            source: "/proc/iomem", line: fault.line, column: fault.column, expected: fault.expected)
        #expect(error == expected)
    }

    @Test func `an error reads like a sentence`() {
        let error = #expect(throws: ParseError.self) { try Iomem.parse(Array("0-1\n".utf8), source: "a listing") }
        #expect(error?.description == "a listing, line 1, column 4: expected \" \"")
    }

    @Test(.timeLimit(.minutes(1)), arguments: [UInt8(ascii: "f"), UInt8(ascii: "x"), 0x00, 0xff, UInt8(ascii: "-")])
    func `ten megabytes of one byte are refused`(byte: UInt8) {
        #expect(throws: ParseError.self) { try Iomem.parse([UInt8](repeating: byte, count: 10 << 20)) }
    }

    @Test(.timeLimit(.minutes(1)))
    func `ten megabytes of noise are refused`() {
        var generator = SeededGenerator(seed: 1)
        let page = (0..<4096).map { _ in UInt8.random(in: 0...255, using: &generator) }
        var noise: [UInt8] = []
        while noise.count < 10 << 20 { noise += page }
        #expect(throws: ParseError.self) { try Iomem.parse(noise) }
    }

    @Test(.timeLimit(.minutes(1)))
    func `a name of ten megabytes and ten megabytes of blank lines end`() throws {
        let name = [UInt8](repeating: UInt8(ascii: "a"), count: 10 << 20)
        #expect(try Iomem.parse(Array("0-1 : ".utf8) + name).map(\.name.utf8.count) == [10 << 20])
        #expect(try Iomem.parse([UInt8](repeating: UInt8(ascii: "\n"), count: 10 << 20)).isEmpty)
    }

    @Test func `a listing with one byte changed or cut off ends in entries or an error`() throws {
        for seed in 0..<500 as Range<UInt64> {
            var generator = SeededGenerator(seed: seed)
            var bytes = Array("00001000-0009ffff : System RAM\n  000a0000-000bffff : PCI Bus 0000:00\r\n".utf8)
            bytes[Int.random(in: bytes.indices, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
            let cut = Array(bytes.prefix(Int.random(in: 0...bytes.count, using: &generator)))
            switch Result(catching: { () throws(ParseError) in try Iomem.parse(cut) }) {
            case .success(let entries):
                #expect(entries.count <= 3, "seed \(seed)")
            case .failure(let error):
                #expect((1...3).contains(error.line), "seed \(seed)")
                #expect((1...bytes.count + 1).contains(error.column), "seed \(seed)")
            }
        }
    }

    @Test func `all addresses zero is a masked view, and nothing at all is none`() throws {
        let masked = try Iomem.parse(Array("00000000-00000000 : System RAM\n  00000000-00000000 : Kernel code\n".utf8))
        try #require(masked.count == 2)
        #expect(Iomem.isMasked(masked))
        let seen = try Iomem.parse(Array("00000000-00000fff : Reserved\n00001000-0009ffff : System RAM\n".utf8))
        try #require(seen.count == 2)
        #expect(!Iomem.isMasked(seen))
        #expect(!Iomem.isMasked([seen[0]]))
        #expect(!Iomem.isMasked([masked[0], seen[1]]))
        #expect(!Iomem.isMasked([]))
    }
}
