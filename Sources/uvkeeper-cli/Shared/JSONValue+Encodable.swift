import KeeperProtocol
import UVLoop

extension JSONValue {
    /// The JSON of a value. The members of an object are told apart and sorted by the bytes of their names: to
    /// Foundation's encoder two normal forms of one text, which are two labels, are one name.
    ///
    /// - Throws: `EncodingError` for a number that is not whole.
    init(encoding value: some Encodable) throws {
        let node = JSONNode([])
        try node.set(value)
        self = node.json
    }
}

/// A value that is being encoded.
private final class JSONNode: Encoder {
    private enum Content {
        case value(JSONValue)
        case array([JSONNode])
        case object([ByteText: JSONNode])
    }

    let codingPath: [any CodingKey]
    var userInfo: [CodingUserInfoKey: Any] { [:] }
    /// A value that encodes nothing is an empty object.
    private var content = Content.object([:])

    init(_ codingPath: [any CodingKey]) { self.codingPath = codingPath }

    var json: JSONValue {
        switch content {
        case .value(let value): value
        case .array(let elements): .array(elements.map(\.json))
        case .object(let members):
            .object(members.sorted { $0.key < $1.key }.map { .init($0.key.text, $0.value.json) })
        }
    }

    func set(_ value: some Encodable) throws {
        switch value {
        case let text as String: content = .value(.string(text))
        case let flag as Bool: content = .value(.bool(flag))
        case let number as any BinaryInteger: content = .value(.number(Int(clamping: number)))
        case is any BinaryFloatingPoint:
            throw EncodingError.invalidValue(
                value, .init(codingPath: codingPath, debugDescription: "numbers of the command are whole"))
        default: try value.encode(to: self)
        }
    }

    func setNull() { content = .value(.null) }

    /// The value of a member, from now on a new one.
    func member(_ key: some CodingKey) -> JSONNode {
        let node = JSONNode(codingPath + [key])
        var members: [ByteText: JSONNode] = [:]
        if case .object(let present) = content { members = present }
        // The change is made in place: nobody else has the members.
        content = .object([:])
        members[ByteText(key.stringValue)] = node
        content = .object(members)
        return node
    }

    var elementCount: Int { if case .array(let elements) = content { elements.count } else { 0 } }

    /// The value of a new last element.
    func element() -> JSONNode {
        let node = JSONNode(codingPath)
        var elements: [JSONNode] = []
        if case .array(let present) = content { elements = present }
        content = .array([])
        elements.append(node)
        content = .array(elements)
        return node
    }

    func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
        KeyedEncodingContainer(Members(node: self))
    }

    func unkeyedContainer() -> any UnkeyedEncodingContainer {
        content = .array([])
        return Elements(node: self)
    }

    func singleValueContainer() -> any SingleValueEncodingContainer { Value(node: self) }

    /// The name of an inherited part that is given none.
    private enum SuperKey: CodingKey { case `super` }

    private struct Members<Key: CodingKey>: KeyedEncodingContainerProtocol {
        let node: JSONNode
        var codingPath: [any CodingKey] { node.codingPath }

        func encodeNil(forKey key: Key) { node.member(key).setNull() }
        func encode(_ value: some Encodable, forKey key: Key) throws { try node.member(key).set(value) }

        func nestedContainer<Nested>(keyedBy type: Nested.Type, forKey key: Key) -> KeyedEncodingContainer<Nested> {
            node.member(key).container(keyedBy: type)
        }

        func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedEncodingContainer {
            node.member(key).unkeyedContainer()
        }

        func superEncoder() -> any Encoder { node.member(SuperKey.super) }
        func superEncoder(forKey key: Key) -> any Encoder { node.member(key) }
    }

    private struct Elements: UnkeyedEncodingContainer {
        let node: JSONNode
        var codingPath: [any CodingKey] { node.codingPath }
        var count: Int { node.elementCount }

        func encodeNil() { node.element().setNull() }
        func encode(_ value: some Encodable) throws { try node.element().set(value) }

        func nestedContainer<Nested>(keyedBy type: Nested.Type) -> KeyedEncodingContainer<Nested> {
            node.element().container(keyedBy: type)
        }

        func nestedUnkeyedContainer() -> any UnkeyedEncodingContainer { node.element().unkeyedContainer() }
        func superEncoder() -> any Encoder { node.element() }
    }

    private struct Value: SingleValueEncodingContainer {
        let node: JSONNode
        var codingPath: [any CodingKey] { node.codingPath }

        func encodeNil() { node.setNull() }
        func encode(_ value: some Encodable) throws { try node.set(value) }
    }
}
