// What swift-argument-parser imports of FoundationEssentials, and no more: the parser asks for LocalizedError, and for
// the JSON of an experimental option. Linked statically, FoundationEssentials itself adds 5 MB and 10,000 relocations at
// each start.
//
// apertured makes no error a LocalizedError, so the parser prints an error's own description, as it does without this.
// `--experimental-dump-help` does not work: see Main.swift.

/// An error with a text for people.
public protocol LocalizedError: Error {
    /// The text.
    var errorDescription: String? { get }
}

/// Holds nothing.
public struct Data {}

/// Encodes nothing.
public final class JSONEncoder {
    /// Ignored.
    public struct OutputFormatting: OptionSet, Sendable {
        /// The options' bits.
        public let rawValue: UInt
        /// From the options' bits.
        public init(rawValue: UInt) { self.rawValue = rawValue }
        /// Ignored.
        public static let prettyPrinted = OutputFormatting(rawValue: 1)
        /// Ignored.
        public static let sortedKeys = OutputFormatting(rawValue: 2)
    }

    /// Nothing is encoded here.
    public struct Unsupported: Error {}

    /// Ignored.
    public var outputFormatting: OutputFormatting = []

    /// An encoder that encodes nothing.
    public init() {}

    /// Throws.
    public func encode(_: some Encodable) throws -> Data { throw Unsupported() }
}

extension String {
    /// UTF-8 alone.
    public enum Encoding {
        /// UTF-8.
        case utf8
    }

    /// `nil`: no data holds a text.
    public init?(data: Data, encoding: Encoding) { return nil }
}
