/// The labels of a session: small texts by which its users find it again.
package enum SessionLabels {
    package static let maximumCount = 64
    package static let longestName = 64
    package static let longestValue = 1024
    package static let maximumByteCount = 16384

    /// The labels of a JSON object of strings.
    package static func of(_ json: JSONValue) throws(SessionLabelsError) -> [String: String] {
        guard let members = json.members else { throw .notAnObject }
        return try changed([:], by: members)
    }

    /// The labels after a change: a string sets a label, null removes it.
    package static func changed(
        _ labels: [String: String], by members: [JSONValue.Member],
    ) throws(SessionLabelsError) -> [String: String] {
        var labels = labels
        for member in members {
            guard (1...longestName).contains(member.name.utf8.count) else { throw .badName(member.name) }
            switch member.value {
            case .null: labels[member.name] = nil
            case .string(let value):
                guard value.utf8.count <= longestValue else { throw .valueTooLong(member.name) }
                labels[member.name] = value
            case .bool, .number, .array, .object: throw .notAString(member.name)
            }
        }
        guard labels.count <= maximumCount else { throw .tooMany }
        let size = labels.reduce(0) { $0 + $1.key.utf8.count + $1.value.utf8.count }
        guard size <= maximumByteCount else { throw .tooLarge }
        return labels
    }

    /// The labels as an object, in the order of their names.
    package static func json(_ labels: [String: String]) -> JSONValue {
        .object(labels.sorted { $0.key < $1.key }.map { .init($0.key, .string($0.value)) })
    }
}

/// Why labels are not usable.
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
