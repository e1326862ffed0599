import Fixtures
import Report
import Testing

struct ArchiveTests {
    @Test func `tar unpacks files, folders and links as they were, with names of any length`() throws {
        let long = (0..<30).map { "0000:00:\($0)0.0" }.joined(separator: "/")
        let report = try UnpackedReport([
            Archive.Entry(path: Survey.top, content: .folder),
            Archive.Entry(path: "\(Survey.top)/empty", content: .file([])),
            Archive.Entry(path: "\(Survey.top)/block", content: .file([UInt8](repeating: 0x61, count: 512))),
            Archive.Entry(path: "\(Survey.top)/link", content: .link("../\(long)")),
            Archive.Entry(path: "\(Survey.top)/loop", content: .link("loop")),
            Archive.Entry(path: "\(Survey.top)/\(long)", content: .file(Array("far\n".utf8))),
        ])
        let contents = try report.contents()
        #expect(contents["empty"] == "")
        #expect(contents["block"] == String(repeating: "a", count: 512))
        #expect(contents["link"] == "../\(long)")
        #expect(contents["loop"] == "loop")
        #expect(contents[long] == "far\n")
    }

    @Test func `the same entries give the same bytes, in whatever order they come`() {
        let entries = ["b", "a", "a/x", "a-b"].map { Archive.Entry(path: $0, content: .file(Array($0.utf8))) }
        #expect(Archive.bytes(of: entries, time: 1) == Archive.bytes(of: entries.reversed(), time: 1))
    }
}
