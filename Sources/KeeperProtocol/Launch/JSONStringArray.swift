/// JSON arrays of strings: the form in which a command line travels in an environment variable.
///
/// The codec has just enough of JSON that neither side needs Foundation. Memory is the only limit; environments are
/// small.
public enum JSONStringArray {
    /// The strings in `text`, or nil if it is anything but one array of strings in strict JSON (RFC 8259).
    ///
    /// Accepts the same as `JSON.parse`: white space around every token, all escapes, surrogate pairs. Nil for a byte
    /// order mark, a raw control character in a string, a trailing comma, anything after the array, and any element
    /// that is not a string. Nil too for an escaped surrogate without its partner, which JavaScript would accept: such
    /// a surrogate has no UTF-8 form and could not be handed to a program.
    public static func decode(_ text: String) -> [String]? {
        do throws(JSONError) {
            let strings = try JSONValue(Array(text.utf8), depth: 1).elements?.map(\.text)
            return strings?.contains(nil) == false ? strings?.compactMap(\.self) : nil
        } catch {
            return nil
        }
    }

    /// `strings` as JSON, byte for byte like `JSON.stringify`: no white space, and only `"`, `\` and characters below
    /// U+0020 escaped, in the short form if there is one.
    public static func encode(_ strings: [String]) -> String {
        String(decoding: JSONValue(strings).encoded, as: UTF8.self)
    }
}
