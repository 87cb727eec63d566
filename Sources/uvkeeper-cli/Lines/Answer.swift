import KeeperProtocol

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// The id of a JSON-RPC message: a number or a string.
struct AnswerID: Hashable {
    private let text: String
    private let isStringOnly: Bool

    /// - Parameter text: a text in double quotes is a string; any other text may also be a number.
    init(_ text: String) {
        // Bytes are compared: a quotation mark with a combining accent is none as a Character.
        let quote = UInt8(ascii: "\"")
        isStringOnly = text.utf8.count >= 2 && text.utf8.first == quote && text.utf8.last == quote
        self.text = isStringOnly ? String(Substring(text.utf8.dropFirst().dropLast())) : text
    }

    private func matches(_ id: MessageHead.ID) -> Bool {
        switch id {
        case .string(let bytes): return Array(text.utf8) == bytes
        case .number(let bytes):
            guard !isStringOnly else { return false }
            let written = String(decoding: bytes, as: UTF8.self)
            // Integers of any size are compared as such: a Double does not tell large ones apart.
            if let integer = AnswerID.integer(written), let own = AnswerID.integer(text) { return own == integer }
            return number.map { $0 == Double(written) } ?? false
        }
    }

    /// An integer without superfluous signs and zeros; nil for other numbers.
    private static func integer(_ text: String) -> String? {
        let isNegative = text.utf8.first == UInt8(ascii: "-")
        let digits = isNegative || text.utf8.first == UInt8(ascii: "+") ? text.dropFirst() : text[...]
        guard !digits.isEmpty, digits.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else {
            return nil
        }
        let significant = digits.drop { $0 == "0" }
        return significant.isEmpty ? "0" : (isNegative ? "-" : "") + significant
    }

    /// The text as a JSON number, which is never hexadecimal or infinite; nil if it is none.
    private var number: Double? {
        text.utf8.allSatisfy { "0123456789+-.eE".utf8.contains($0) } ? Double(text) : nil
    }

    /// True if the line is the answer with this id and an error, false if it is another answer with this id; nil if it
    /// is another message.
    func isError(answeredBy line: [UInt8]) -> Bool? {
        guard let head = MessageHead(line), head.isAnswer, let id = head.id, matches(id) else { return nil }
        return head.hasError
    }
}

/// An answer as JSON.
struct AnswerRecord: Encodable {
    var answer: String?
    var base64: String?
    var offset: UInt64

    init(_ line: [UInt8], offset: UInt64) {
        answer = String(validating: line, as: UTF8.self)
        base64 = answer == nil ? Data(line).base64EncodedString() : nil
        self.offset = offset
    }
}
