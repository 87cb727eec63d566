/// A text that is told from others by its bytes, as names, paths and everything from outside are. To `String` two texts are one
/// if they only write the same characters in different ways: `é` as one scalar, and as `e` with an accent.
package struct ByteText: Hashable, Comparable, Sendable {
    package let text: String

    package init(_ text: some StringProtocol) { self.text = String(text) }

    package static func == (one: ByteText, other: ByteText) -> Bool { one.text.utf8.elementsEqual(other.text.utf8) }

    package static func < (one: ByteText, other: ByteText) -> Bool {
        one.text.utf8.lexicographicallyPrecedes(other.text.utf8)
    }

    package func hash(into hasher: inout Hasher) {
        var text = text
        text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
        // Strings in a row do not run into each other.
        hasher.combine(UInt8.max)
    }
}
