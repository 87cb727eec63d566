internal import UVLoop

/// The labels of a session: small texts by which its users find it again, each under a name, sorted by name.
///
/// Names and values are compared as bytes: `é` as one scalar and as `e` with an accent are two names here, but one to a
/// Swift dictionary and to Foundation's JSON.
public struct SessionLabels: Hashable, Sendable {
    package static let maximumCount = 64
    package static let longestName = 64
    package static let longestValue = 1024
    package static let maximumByteCount = 16384

    private var values: [ByteText: ByteText] = [:]

    /// No labels.
    public init() {}

    /// The labels by name; the last value of a name counts.
    public init(_ labels: some Sequence<(key: String, value: String)>) {
        for (name, value) in labels { self[name] = value }
    }

    /// The value of a label; nil if there is no label of that name. Setting nil removes the label.
    public subscript(name: String) -> String? {
        get { values[ByteText(name)]?.text }
        set { values[ByteText(name)] = newValue.map { ByteText($0) } }
    }

    /// The number of labels.
    public var count: Int { values.count }

    /// True if there are no labels.
    public var isEmpty: Bool { values.isEmpty }

    /// True if the label exists and has this value.
    package func contains(_ name: String, _ value: String) -> Bool { values[ByteText(name)] == ByteText(value) }
}

extension SessionLabels: Sequence, ExpressibleByDictionaryLiteral {
    /// The names and values, in the order of the names' bytes.
    public func makeIterator() -> some IteratorProtocol<(key: String, value: String)> {
        values.sorted { $0.key < $1.key }.map { (key: $0.key.text, value: $0.value.text) }.makeIterator()
    }

    /// The labels by name; the last value of a name counts.
    public init(dictionaryLiteral labels: (String, String)...) {
        self.init(labels.lazy.map { (key: $0.0, value: $0.1) })
    }
}

/// The coded form: an object, with a member for each label.
///
/// Foundation's coders hold an object's members by Swift strings, to which two normal forms of one text are equal: of
/// two labels whose names differ in that alone, one name is left, with the value of either. A program that needs both
/// passes the names and values on in a form of its own, an array for instance.
extension SessionLabels: Codable {
    private struct Name: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }

        init(_ name: String) { stringValue = name }
        init?(stringValue: String) { self.init(stringValue) }
        init?(intValue: Int) { nil }
    }

    /// Reads the object.
    public init(from decoder: any Decoder) throws {
        let labels = try decoder.container(keyedBy: Name.self)
        for name in labels.allKeys { self[name.stringValue] = try labels.decode(String.self, forKey: name) }
    }

    /// Writes the object.
    public func encode(to encoder: any Encoder) throws {
        var labels = encoder.container(keyedBy: Name.self)
        for (name, value) in self { try labels.encode(value, forKey: Name(name)) }
    }
}

extension SessionLabels {
    /// The labels of a JSON object of strings.
    package static func of(_ json: JSONValue) throws(SessionLabelsError) -> SessionLabels {
        guard let members = json.members else { throw .notAnObject }
        return try SessionLabels().changed(by: members)
    }

    /// The members of a JSON object that are strings; no labels if the value is no object.
    package init(found json: JSONValue?) {
        for member in json?.members ?? [] { self[member.name] = member.value.text }
    }

    /// The labels after a change: a string sets a label, null removes it.
    package func changed(by members: [JSONValue.Member]) throws(SessionLabelsError) -> SessionLabels {
        var labels = self
        for member in members {
            guard (1...Self.longestName).contains(member.name.utf8.count) else { throw .badName(member.name) }
            switch member.value {
            case .null: labels[member.name] = nil
            case .string(let value):
                guard value.utf8.count <= Self.longestValue else { throw .valueTooLong(member.name) }
                labels[member.name] = value
            case .bool, .number, .array, .object: throw .notAString(member.name)
            }
        }
        guard labels.count <= Self.maximumCount else { throw .tooMany }
        let size = labels.values.reduce(0) { $0 + $1.key.text.utf8.count + $1.value.text.utf8.count }
        guard size <= Self.maximumByteCount else { throw .tooLarge }
        return labels
    }

    package var json: JSONValue { .object(map { .init($0.key, .string($0.value)) }) }
}

/// The reason why labels cannot be used.
package enum SessionLabelsError: Error, Hashable, Sendable, CustomStringConvertible {
    case notAnObject
    case badName(String)
    case valueTooLong(String)
    case notAString(String)
    case tooMany
    case tooLarge

    package var description: String {
        switch self {
        case .notAnObject: "labels are an object of strings"
        case .badName: "the name of a label has 1 to \(SessionLabels.longestName) bytes"
        case .valueTooLong(let name): "the label \(name) is longer than \(SessionLabels.longestValue) bytes"
        case .notAString(let name): "the label \(name) is no string"
        case .tooMany: "a session has \(SessionLabels.maximumCount) labels at most"
        case .tooLarge: "the labels of a session have \(SessionLabels.maximumByteCount) bytes at most"
        }
    }
}
