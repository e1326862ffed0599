/// A link that someone planted below a root, and that leads out of it.
package struct Escape: Sendable, CustomStringConvertible {
    /// Which part of the path to an attribute is the link.
    package enum Part: Int, CaseIterable, Sendable {
        case attribute, device, folder
    }

    package let part: Part
    /// Whether the link climbs out with more `..` than there are folders.
    package let isRelative: Bool

    package var description: String { "\(isRelative ? "a relative" : "an absolute") link as \(part)" }

    package static let all = Part.allCases.flatMap { part in
        [false, true].map { Escape(part: part, isRelative: $0) }
    }

    /// Puts the link in the place of a part of this path, and a file with this text where it would lead to.
    /// - Returns: What lies outside.
    package func plant(_ path: String, in root: TemporaryFolder, text: String = "outside\n") throws -> TemporaryFolder {
        let outside = try TemporaryFolder()
        try outside.write(text, to: path)
        let components = path.split(separator: "/").dropLast(part.rawValue)
        let link = components.map { "/\($0)" }.joined()
        try root.makeFolder(components.dropLast().map { "/\($0)" }.joined())
        if root.exists(link) { try root.remove(link) }
        let place = outside.path + link
        try root.symlink(
            link, destination: isRelative ? String(repeating: "../", count: 40) + place.dropFirst() : place)
        return outside
    }
}
