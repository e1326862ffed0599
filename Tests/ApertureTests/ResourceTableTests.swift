import Aperture
import Testing

struct ResourceTableTests {
    private static let zero = "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"

    /// Seven rows: those given, then unused ones.
    private static func table(_ rows: String...) -> [UInt8] {
        Array((rows.map { $0 + "\n" }.joined() + String(repeating: zero, count: 7 - rows.count)).utf8)
    }

    @Test func `reads the BARs and the ROM of a card`() throws {
        let text = """
            0x0000002800000000 0x0000002fffffffff 0x000000000014220c
            0x0000000000000000 0x0000000000000000 0x0000000000000000
            0x0000003000000000 0x00000030001fffff 0x000000000014220c
            0x0000000000000000 0x0000000000000000 0x0000000000000000
            0x000000000000f000 0x000000000000f0ff 0x0000000000040101
            0x00000000dcb00000 0x00000000dcb7ffff 0x0000000000040200
            0x00000000dcb80000 0x00000000dcb9ffff 0x0000000000046200
            0x0000000000000000 0x0000000000000000 0x0000000000000000

            """
        let table = try ResourceTable.parse(Array(text.utf8))
        #expect(table.memoryBARs.map(\.index) == [0, 2, 5])
        #expect(
            table.memoryBARs.map(\.range.description) == [
                "0x2800000000-0x2fffffffff", "0x3000000000-0x30001fffff", "0xdcb00000-0xdcb7ffff",
            ])
        #expect(table.memoryBARs.map(\.is64Bit) == [true, true, false])
        #expect(table.memoryBARs.map(\.isPrefetchable) == [true, true, false])
        #expect(table.rom?.description == "0xdcb80000-0xdcb9ffff")
    }

    struct Row: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let text: String
        let isBAR: Bool

        init(_ description: String, _ text: String, isBAR: Bool) {
            testDescription = description
            self.text = text
            self.isBAR = isBAR
        }
    }

    @Test(arguments: [
        Row("memory", "0x00000000c0000000 0x00000000c0ffffff 0x0000000000040200", isBAR: true),
        Row("few digits, upper case", "0xC0000000 0xC0FFFFFF 0x200", isBAR: true),
        Row("one byte at the top", "0xffffffffffffffff 0xffffffffffffffff 0x200", isBAR: true),
        Row("white space before it", " \t0xc0000000 0xc0ffffff 0x200", isBAR: true),
        Row("a carriage return", "0xc0000000 0xc0ffffff 0x200\r", isBAR: true),
        Row("ports", "0x000000000000f000 0x000000000000f07f 0x0000000000040101", isBAR: false),
        Row("unset", "0x0000000000000000 0x0000000000ffffff 0x0000000020040200", isBAR: false),
        Row("disabled", "0x00000000c0000000 0x00000000c0ffffff 0x0000000010040200", isBAR: false),
        Row("unused", "0x0000000000000000 0x0000000000000000 0x0000000000000000", isBAR: false),
        Row("unused, with flags", "0x0000000000000000 0x0000000000000000 0x0000000000040200", isBAR: false),
    ])
    func `takes the memory that has an address`(row: Row) throws {
        let table = try ResourceTable.parse(Self.table(row.text))
        #expect(table.memoryBARs.map(\.index) == (row.isBAR ? [0] : []))
        #expect(table.rom == nil)
    }

    @Test func `rows behind the ROM are read for their form only`() throws {
        let seven = String(repeating: Self.zero, count: 7)
        let window = "0x00000000dcb00000 0x00000000dca00000 0x0000000000000200\n"
        let table = try ResourceTable.parse(Array((seven + window).utf8))
        #expect(table == ResourceTable(memoryBARs: []))
        let error = #expect(throws: ParseError.self) { try ResourceTable.parse(Array((seven + "window\n").utf8)) }
        #expect(error == ParseError(source: "resource", line: 8, column: 1, expected: "\"0\""))
    }

    @Test func `the last line feed may be missing, and lines may be blank`() throws {
        let text = "\n" + String(repeating: Self.zero, count: 6) + "\r\n" + Self.zero.dropLast()
        #expect(try ResourceTable.parse(Array(text.utf8)) == ResourceTable(memoryBARs: []))
    }

    struct Fault: CustomTestStringConvertible, Sendable {
        let text: String
        let column: Int
        let expected: String

        var testDescription: String { text.debugDescription }

        init(_ text: String, _ column: Int, _ expected: String) {
            self.text = text
            self.column = column
            self.expected = expected
        }
    }

    @Test(arguments: [
        Fault("c0000000 0xc0ffffff 0x200", 1, "\"0\""),
        Fault("0c0000000 0xc0ffffff 0x200", 2, "\"x\""),
        Fault("0x 0xc0ffffff 0x200", 3, "a hexadecimal number"),
        Fault("0xc0000000\t0xc0ffffff 0x200", 11, "\" \""),
        Fault("0xc0000000  0xc0ffffff 0x200", 12, "\"0\""),
        Fault("0xc0000000 0xc0ffffff", 22, "\" \""),
        Fault("0xc0000000 0xc0ffffff 0x200 ", 28, "the end of the line"),
        Fault("0xc0000000 0xc0ffffff 0x200\rx", 29, "the end of the line"),
        Fault("0x00000000000000000 0x0 0x0", 19, "at most 16 digits"),
        Fault("0xc0000000 0xbfffffff 0x200", 12, "an end not before the start"),
        Fault("0xf000 0xefff 0x101", 8, "an end not before the start"),
    ])
    func `refuses what is no row, and says where`(fault: Fault) {
        let unused = "0x0 0x0 0x0"
        let bytes = Self.table(unused, fault.text)
        let error = #expect(throws: ParseError.self) { try ResourceTable.parse(bytes, source: "resource") }
        #expect(error == ParseError(source: "resource", line: 2, column: fault.column, expected: fault.expected))
    }

    @Test(arguments: 0..<7)
    func `fewer than seven rows were cut off`(count: Int) {
        let bytes = Array(String(repeating: Self.zero, count: count).utf8)
        let error = #expect(throws: ParseError.self) { try ResourceTable.parse(bytes) }
        #expect(error == ParseError(source: "resource", line: count + 1, column: 1, expected: "at least 7 rows"))
    }

    @Test(.timeLimit(.minutes(1)))
    func `ten megabytes of garbage are refused, and of rows are read`() throws {
        #expect(throws: ParseError.self) {
            try ResourceTable.parse([UInt8](repeating: UInt8(ascii: "0"), count: 10 << 20))
        }
        let rows = Array(String(repeating: Self.zero, count: (10 << 20) / Self.zero.utf8.count).utf8)
        #expect(try ResourceTable.parse(rows) == ResourceTable(memoryBARs: []))
    }
}
