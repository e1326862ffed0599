package import KernelFiles

/// Finds the configuration's files, as the UAPI group's configuration files specification has them.
///
/// Of the main file `apertured.conf`, the one in the first of ``directories`` counts. The files
/// `apertured.conf.d/*.conf` of all of them are read after it, sorted by name across the directories; of two with the same
/// name the one in the earlier directory counts. A file that is empty, or a link to /dev/null, says nothing, and so masks
/// the others of its name.
package struct ConfigurationReader {
    /// Those of the administrator, of this boot, and of packages.
    package static let directories = ["/etc", "/run", "/usr/lib"]

    private let tree: FileTree

    package init(tree: FileTree) {
        self.tree = tree
    }

    /// - Throws: When a file that counts cannot be read: nobody knows then what it forbids.
    package func read() throws(FileTreeError) -> Configuration {
        Configuration(try files())
    }

    /// The files that count and are not empty, in the order they count.
    package func files() throws(FileTreeError) -> [ConfigurationFile] {
        var paths: [String] = []
        for directory in Self.directories where paths.isEmpty {
            if try tree.listIfPresent(directory).contains("apertured.conf") {
                paths.append("\(directory)/apertured.conf")
            }
        }
        var dropIns: [String: String] = [:]
        for directory in Self.directories {
            let folder = "\(directory)/apertured.conf.d"
            for name in try tree.listIfPresent(folder) where name.hasSuffix(".conf") && !name.hasPrefix(".") {
                if dropIns[name] == nil { dropIns[name] = "\(folder)/\(name)" }
            }
        }
        paths += dropIns.sorted { $0.key < $1.key }.map(\.value)
        var files: [ConfigurationFile] = []
        for path in paths {
            if try tree.linkTarget(path) == "/dev/null" { continue }
            let bytes = try tree.regularBytes(path)
            if bytes.isEmpty { continue }
            files.append(ConfigurationFile(path: path, text: String(decoding: bytes, as: UTF8.self)))
        }
        return files
    }
}
