package import KernelFiles

/// Finds and reads the configuration files, by the UAPI group's Configuration Files Specification.
///
/// The main file is the first `apertured.conf` in ``directories``. The files `apertured.conf.d/*.conf` of all
/// directories are read after it, sorted by name across the directories; of two files with the same name, the one in
/// the earlier directory is read. An empty file or a link to /dev/null masks the later files of its name.
package struct ConfigurationReader {
    /// The directories of the administrator, of this boot, and of packages, in the order of precedence.
    package static let directories = ["/etc", "/run", "/usr/lib"]

    private let tree: FileTree

    /// - Parameter tree: The root that holds `etc`, `run` and `usr`.
    package init(tree: FileTree) {
        self.tree = tree
    }

    /// Reads and parses all files.
    /// - Throws: When a file cannot be read, since it may forbid something.
    package func read() throws(FileTreeError) -> Configuration {
        Configuration(try files())
    }

    /// The files that are neither masked nor empty, in the order of reading.
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

/// The text of one configuration file, and its path.
package struct ConfigurationFile: Hashable, Sendable {
    /// The path without the root: `/etc/apertured.conf.d/50-guest.conf`.
    package let path: String
    /// The whole text, with what is not UTF-8 replaced.
    package let text: String

    /// - Parameter path: For the places in warnings; nothing is read.
    package init(path: String, text: String) {
        self.path = path
        self.text = text
    }
}
