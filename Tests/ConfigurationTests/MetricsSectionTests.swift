import Aperture
import Configuration
import Testing

struct MetricsSectionTests {
    private func parse(_ texts: String...) -> Configuration {
        Configuration(
            texts.enumerated().map {
                ConfigurationFile(path: "/etc/apertured.conf.d/\($0.offset).conf", text: $0.element)
            })
    }

    @Test func `it names the files to keep, and says nothing about cards`() throws {
        let configuration = parse(
            "[Metrics]\nFile = /run/apertured/metrics/apertured.prom\n[GPU]\nId=10de:1c82\nMultiple=yes\n"
                + "[Metrics]\nNodeFeatures=/etc/kubernetes/node-feature-discovery/features.d/apertured\nX-Other=1\n")
        #expect(configuration.metrics.file == "/run/apertured/metrics/apertured.prom")
        #expect(
            configuration.metrics.nodeFeatures == "/etc/kubernetes/node-feature-discovery/features.d/apertured")
        #expect(configuration.warnings.isEmpty)
        #expect(configuration.sections.count == 1)
        let alone = parse("[Metrics]\nFile=/srv/x.prom\n")
        let card = try #require(PCIAddress("0000:01:00.0"))
        guard case .allowed = alone.verdict(for: card, among: []) else {
            Issue.record("a card is refused")
            return
        }
    }

    @Test func `a later file decides, and an empty value names none again`() {
        #expect(parse("[Metrics]\nFile=/a.prom", "[Metrics]\nFile=/b.prom").metrics.file == "/b.prom")
        let none = parse("[Metrics]\nFile=/a.prom\nNodeFeatures=/b", "[Metrics]\nFile=\nNodeFeatures=").metrics
        #expect(none.isEmpty)
        #expect(parse("[GPU]\nId=10de:1c82").metrics.isEmpty)
    }

    struct Mistake: Sendable {
        let line: String
        let says: String
    }

    @Test(arguments: [
        Mistake(line: "File=apertured.prom", says: "File=apertured.prom is no absolute path; ignored"),
        Mistake(line: "File=/a/../b.prom", says: "is no plain path of a file; ignored"),
        Mistake(line: "File=/a/", says: "is no plain path of a file; ignored"),
        Mistake(line: "File=//a", says: "is no plain path of a file; ignored"),
        Mistake(line: "NodeFeatures=/a/\u{7}b", says: "is no plain path of a file; ignored"),
        Mistake(line: "File=/run/apertured/lock", says: "among apertured's own files"),
        Mistake(line: "File=/run/apertured/metrics/x/y", says: "among apertured's own files"),
        Mistake(line: "NodeFeatures=/run/apertured/counters/x", says: "name one in /run/apertured/metrics/; ignored"),
        Mistake(line: "Files=/a", says: "unknown key Files=, ignored"),
        Mistake(line: "File", says: "'File' is neither a section nor Key=Value, ignored"),
    ])
    func `a bad line is a warning, and refuses no card`(mistake: Mistake) throws {
        let configuration = parse("[Metrics]\n\(mistake.line)\n")
        #expect(configuration.metrics.isEmpty)
        #expect(configuration.sections.isEmpty)
        let warning = try #require(configuration.warnings.first)
        #expect(configuration.warnings.count == 1)
        #expect(warning.place.line == 2)
        #expect(warning.message.contains(mistake.says), "\(warning)")
    }
}
