#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// The id of a JSON-RPC message: a number or a string.
struct AnswerID: Hashable {
    private let text: String
    private let isStringOnly: Bool

    /// - Parameter text: a text in double quotes is a string; any other may be a number too.
    init(_ text: String) {
        // Bytes are looked at: a quotation mark with a combining accent behind it is none to Character.
        let quote = UInt8(ascii: "\"")
        isStringOnly = text.utf8.count >= 2 && text.utf8.first == quote && text.utf8.last == quote
        self.text = isStringOnly ? String(Substring(text.utf8.dropFirst().dropLast())) : text
    }

    fileprivate func matches(_ id: AnswerMessage.ID) -> Bool {
        switch id {
        case .string(let string): string.utf8.elementsEqual(text.utf8)
        // A Double does not tell large numbers apart.
        case .integer(let integer): !isStringOnly && (Int64(text).map { $0 == integer } ?? (number == Double(integer)))
        case .number(let value): !isStringOnly && number == value
        }
    }

    /// The number that the text is in JSON, where none is hexadecimal or infinite.
    private var number: Double? {
        text.utf8.allSatisfy { "0123456789+-.eE".utf8.contains($0) } ? Double(text) : nil
    }

    /// Tells whether a line is the answer of this id, and whether it is an error; nil if it is another message.
    func isError(answeredBy line: [UInt8]) -> Bool? {
        let message: AnswerMessage
        do { message = try JSONDecoder().decode(AnswerMessage.self, from: Data(line)) } catch { return nil }
        // A message with a method is a request of the child's own, whose ids are its business.
        guard message.method == nil, let id = message.id, matches(id) else { return nil }
        return message.isError
    }
}

/// What a JSON-RPC message is recognised by.
private struct AnswerMessage: Decodable {
    enum ID: Decodable {
        case integer(Int64)
        case number(Double)
        case string(String)

        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            do {
                self = .string(try container.decode(String.self))
            } catch {
                do { self = .integer(try container.decode(Int64.self)) } catch {
                    self = .number(try container.decode(Double.self))
                }
            }
        }
    }

    private enum CodingKeys: CodingKey {
        case id, method, error
    }

    let id: ID?
    let method: String?
    let isError: Bool

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        id = try container.decodeIfPresent(ID.self, forKey: .id)
        method = try container.decodeIfPresent(String.self, forKey: .method)
        isError = try container.contains(.error) && !container.decodeNil(forKey: .error)
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
