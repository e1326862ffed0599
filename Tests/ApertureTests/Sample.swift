import Aperture
import Foundation
import Testing

/// A machine that somebody met, with the right answer: one file of `Samples`.
struct Sample: CustomTestStringConvertible {
    struct Expected: Hashable {
        var bar: Int
        var range: AddressRange
        var owner: String
    }

    var name: String
    var address: PCIAddress?
    var pciClass: UInt32 = 0
    var driver: String?
    var platform: [PlatformFramebuffer] = []
    var bars: [BaseAddressRegister] = []
    var iomem: [UInt8] = []
    /// `nil` when the map cannot tell.
    var conflicts: [Expected]? = []
    var blocks: Bool?
    var unbindIsEnough: Bool?

    var testDescription: String { name }

    /// Every file of the folder.
    static let all: [Sample] = {
        let folder = Bundle.module.bundleURL.appending(path: "Samples")
        let files = (try? FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)) ?? []
        return files.sorted { $0.path < $1.path }.compactMap { file in
            (try? String(contentsOf: file, encoding: .utf8)).map {
                Sample(name: file.deletingPathExtension().lastPathComponent, text: $0)
            }
        }
    }()

    private init(name: String, text: String) {
        self.name = name
        var section = ""
        for line in text.split(separator: "\n") where !line.hasPrefix("#") {
            if line.hasPrefix("["), line.hasSuffix("]") {
                section = String(line)
                continue
            }
            switch section {
            case "[gpu]": readGPU(line)
            case "[platform]": readPlatform(line)
            case "[bars]": readBAR(line)
            case "[iomem]": iomem += Array(line.utf8) + [UInt8(ascii: "\n")]
            case "[expect]": readExpectation(line)
            default: break
            }
        }
    }

    private mutating func readGPU(_ line: Substring) {
        let (key, value) = Self.pair(line)
        switch key {
        case "bdf": address = PCIAddress(value)
        case "class": pciClass = UInt32(value.dropFirst(2), radix: 16) ?? 0
        case "driver": driver = value.isEmpty ? nil : String(value)
        default: break
        }
    }

    private mutating func readPlatform(_ line: Substring) {
        let words = line.split(separator: " ")
        let path = words[0].split(separator: "/")
        let driver = Self.pair(words[1]).value
        platform.append(
            PlatformFramebuffer(
                name: String(path[path.count - 1]), driver: driver.isEmpty ? nil : String(driver),
                parent: PCIAddress(path[path.count - 2])))
    }

    private mutating func readBAR(_ line: Substring) {
        let words = line.split(separator: " ")
        guard let index = Int(words[0]), let range = Self.range(words[1], words[2]) else { return }
        bars.append(BaseAddressRegister(index: index, range: range, flags: 0x42208))
    }

    private mutating func readExpectation(_ line: Substring) {
        let words = line.split(separator: " ")
        switch words {
        case ["conflict", "none"]: break
        case ["conflict", "unknown"]: conflicts = nil
        case let words where words.first == "conflict" && words.count == 4:
            let ends = words[2].split(separator: "-")
            guard let bar = Int(words[1]), let range = Self.range(ends[0], ends[1]) else { return }
            conflicts?.append(Expected(bar: bar, range: range, owner: String(words[3])))
        default:
            let (key, value) = Self.pair(line)
            if key == "blocks", value != "unknown" { blocks = value == "yes" }
            if key == "unbind_enough", value != "n/a" { unbindIsEnough = value == "yes" }
        }
    }

    private static func pair(_ line: Substring) -> (key: Substring, value: Substring) {
        let parts = line.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        return (parts[0], parts.count > 1 ? parts[1] : "")
    }

    private static func range(_ start: Substring, _ last: Substring) -> AddressRange? {
        guard let start = UInt64(start.dropFirst(2), radix: 16), let last = UInt64(last.dropFirst(2), radix: 16) else {
            return nil
        }
        return AddressRange(start: start, last: last)
    }
}
