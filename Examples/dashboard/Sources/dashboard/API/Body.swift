import HTTPTypes
import Hummingbird
import NIOCore

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// The body of a request: JSON of a bounded size.
enum Body {
    static let limit = 1 << 20

    static func decode<Value: Decodable>(_ type: Value.Type, of request: Request) async throws -> Value {
        // A browser sends this type from another page only after it has asked the server, which never agrees.
        guard request.headers[.contentType]?.hasPrefix("application/json") == true else {
            throw Refusal(.unsupportedMediaType, "no-json", "send JSON, with Content-Type: application/json")
        }
        let bytes = try await collect(request)
        do {
            return try JSONDecoder().decode(type, from: Data(bytes.readableBytesView))
        } catch let error as DecodingError {
            throw Refusal.badRequest("the body is not what is expected here: \(error.words)")
        }
    }

    private static func collect(_ request: Request) async throws -> ByteBuffer {
        do {
            return try await request.body.collect(upTo: limit)
        } catch is NIOTooManyBytesError {
            throw Refusal.tooLarge
        }
    }
}

extension DecodingError {
    /// What is wrong, and where.
    fileprivate var words: String {
        switch self {
        case .keyNotFound(let key, _): "\"\(key.stringValue)\" is missing"
        case .typeMismatch(_, let context), .valueNotFound(_, let context):
            "\"\(context.codingPath.map(\.stringValue).joined(separator: "."))\": \(context.debugDescription)"
        case .dataCorrupted(let context): context.debugDescription
        @unknown default: "it cannot be read"
        }
    }
}
