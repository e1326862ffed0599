import Configuration
import Testing

struct PathPatternTests {
    private static let path = "pci0000:00/0000:00:01.0/0000:01:00.0"

    @Test(arguments: [
        path, "/sys/devices/" + path, "pci0000:00/0000:00:01.0/*", "*/*/*", "pci0000:*/*:00:01.*/0000:*:00.0",
        "**/*/***",
        "pci*0/0000:00:0*1.0/*0*0*0*",
    ])
    func `a star stands for any characters of one component`(pattern: String) throws {
        #expect(try #require(PathPattern(pattern)).matches(Self.path))
    }

    @Test(arguments: [
        "*", "*/*", "*/*/*/*", "pci0000:00/*", "pci0000:00/0000:00:02.0/*", "pci0000:00/0000:00:01.0/0000:01:00.1",
        "pci0000:00/0000:00:01.0/0000:01:00", "*/*/*1", "*x*/*/*",
    ])
    func `and for nothing beyond it`(pattern: String) throws {
        #expect(try #require(PathPattern(pattern)).matches(Self.path) == false)
    }

    @Test func `a star may stand for nothing`() throws {
        #expect(try #require(PathPattern("a*b*")).matches("ab"))
        #expect(try #require(PathPattern("a*b*")).matches("") == false)
    }

    @Test func `many stars take no longer than the text is long`() throws {
        let pattern = try #require(PathPattern(String(repeating: "*a", count: 200) + "b"))
        #expect(!pattern.matches(String(repeating: "a", count: 5000)))
    }
}
