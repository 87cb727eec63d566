import KeeperProtocol

/// The reader of JSON: it refuses a text at a place within it, or gives a value whose own text is read as the same value.
enum JSONTarget {
    static func run(_ bytes: UnsafeRawBufferPointer) {
        do throws(JSONError) {
            let value = try JSONValue(bytes)
            let text = value.encoded
            let again = try JSONValue(text)
            require(again == value, "\(value) is read as \(again)")
            require(again.encoded == text, "\(value) is written in two ways")
        } catch {
            require((0...bytes.count).contains(error.offset), "\(error) is not within the \(bytes.count) bytes")
        }
    }
}
