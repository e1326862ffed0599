import Foundation

/// A folder that goes with its owner.
package final class TemporaryFolder: Sendable {
    package let path: String

    /// In memory, as /run is on a machine: records are flushed to what they are on, and a disk takes its time.
    private static let parent: URL = {
        let memory = "/dev/shm"
        let isUsable = FileManager.default.isWritableFile(atPath: memory)
        return isUsable ? URL(filePath: memory) : FileManager.default.temporaryDirectory
    }()

    package init() throws {
        let url = Self.parent.appending(path: "apertured-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        path = url.path
    }

    deinit {
        try? FileManager.default.removeItem(atPath: path)
    }

    /// Writes a file, and the folders above it.
    package func write(_ text: String, to name: String) throws {
        try write(Array(text.utf8), to: name)
    }

    package func write(_ bytes: [UInt8], to name: String) throws {
        let file = path + name
        try FileManager.default.createDirectory(
            atPath: (file as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
        try Data(bytes).write(to: URL(fileURLWithPath: file))
    }

    package func makeFolder(_ name: String) throws {
        try FileManager.default.createDirectory(atPath: path + name, withIntermediateDirectories: true)
    }

    /// Makes a symbolic link below the folder that points, relatively as sysfs does, to another place below it.
    package func link(_ name: String, to target: String) throws {
        let parent = (name as NSString).deletingLastPathComponent
        try makeFolder(parent)
        let up = String(repeating: "../", count: parent.split(separator: "/").count)
        try? FileManager.default.removeItem(atPath: path + name)
        try FileManager.default.createSymbolicLink(
            atPath: path + name, withDestinationPath: up + target.drop { $0 == "/" })
    }

    /// Makes a symbolic link with this very target.
    package func symlink(_ name: String, destination: String) throws {
        try FileManager.default.createSymbolicLink(atPath: path + name, withDestinationPath: destination)
    }

    package func remove(_ name: String) throws {
        try FileManager.default.removeItem(atPath: path + name)
    }

    package func move(_ name: String, to other: String) throws {
        try FileManager.default.moveItem(atPath: path + name, toPath: path + other)
    }

    package func exists(_ name: String) -> Bool {
        FileManager.default.fileExists(atPath: path + name)
    }

    /// Every file's content and every link's target below the folder, by path; without `/run`, which is the product's.
    package func contents() throws -> [String: String] {
        try Self.contents(below: path).filter { !$0.key.hasPrefix("run") }
    }

    /// Every file's content and every link's target below a folder, by path.
    static func contents(below path: String) throws -> [String: String] {
        var contents: [String: String] = [:]
        let enumerator = FileManager.default.enumerator(atPath: path)
        while let name = enumerator?.nextObject() as? String {
            let file = "\(path)/\(name)"
            let attributes = try FileManager.default.attributesOfItem(atPath: file)
            switch attributes[.type] as? FileAttributeType {
            case .typeSymbolicLink: contents[name] = try FileManager.default.destinationOfSymbolicLink(atPath: file)
            case .typeRegular: contents[name] = try String(contentsOfFile: file, encoding: .isoLatin1)
            default: contents[name] = "folder"
            }
        }
        return contents
    }

    package func text(_ name: String) throws -> String {
        try String(contentsOfFile: path + name, encoding: .utf8)
    }
}
