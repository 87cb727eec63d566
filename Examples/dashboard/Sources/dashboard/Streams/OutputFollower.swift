import UVKeeper
import UVKeeperAsync

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// Sends a session's output as events, from a position on, without a hole:
///
/// - `out` and `err`: a piece of that stream, at its offset.
/// - `gap`: bytes that are gone.
/// - `anew`: the session has begun anew; what follows is its new life's output.
/// - `ended`: how the session ended; the last event.
/// - `failed`: why the output cannot be read; the last event, and the client may ask again.
struct OutputFollower {
    private let session: KeptSession
    private let coding: OutputStream.Coding
    /// Behind what was sent.
    private var position: OutputPosition
    private var cutters: [ChildStream: TextCutter] = [:]

    init(_ session: KeptSession, from position: OutputPosition, _ coding: OutputStream.Coding) {
        self.session = session
        self.coding = coding
        self.position = position
    }

    mutating func run(_ send: EventStream.Send) async throws {
        var pieces = makePieces()
        while true {
            switch await nextPiece(of: &pieces) {
            case .success(.bytes(let stream, let offset, let bytes)):
                guard let event = try event(stream, offset, bytes) else { break }
                try await send(event)
            case .success(.gap(let stream, let range)):
                for event in try events(forGap: range, in: stream) { try await send(event) }
            case .success(.ended(let exit)):
                for stream in ChildStream.allCases {
                    if let event = try rest(of: stream) { try await send(event) }
                }
                return try await send(
                    ServerSentEvent(id: "\(position)", "ended", ["exit": exit.map { SessionView.Exit($0) }]))
            case .success(nil), .failure(.closed):
                return
            case .failure(.sessionBeganAnew):
                guard let event = try await beginAnew() else { return }
                try await send(event)
                pieces = makePieces()
            case .failure(let error):
                return try await send(ServerSentEvent("failed", ["message": "\(error)"]))
            }
        }
    }

    private func makePieces() -> KeptOutput.Iterator {
        session.output(from: .offsets(position.offsets, epoch: position.epoch), streams: ChildStream.allCases)
            .makeAsyncIterator()
    }

    private func nextPiece(of pieces: inout KeptOutput.Iterator) async -> Result<OutputPiece?, KeeperError> {
        do throws(KeeperError) { return .success(try await pieces.next(isolation: nil)) } catch {
            return .failure(error)
        }
    }

    // MARK: Events

    private struct Piece: Encodable {
        let offset: UInt64
        /// In bytes, whatever the text has.
        let length: Int
        var text: String?
        var base64: String?
    }

    private struct Gap: Encodable {
        let stream: ChildStream
        let from: UInt64
        let to: UInt64
    }

    /// Nil if the bytes are the beginning of a character and nothing more.
    private mutating func event(_ stream: ChildStream, _ offset: UInt64, _ bytes: [UInt8]) throws -> ServerSentEvent? {
        switch coding {
        case .text: try piece(of: stream, cutters[stream, default: TextCutter()].append(bytes))
        case .base64: try piece(of: stream, bytes)
        }
    }

    /// What has come of a character that goes no further.
    private mutating func rest(of stream: ChildStream) throws -> ServerSentEvent? {
        try piece(of: stream, cutters[stream]?.end() ?? [])
    }

    private mutating func piece(of stream: ChildStream, _ bytes: [UInt8]) throws -> ServerSentEvent? {
        guard !bytes.isEmpty, let offset = position.offsets[stream] else { return nil }
        position.move(stream, to: offset + UInt64(bytes.count))
        var piece = Piece(offset: offset, length: bytes.count)
        switch coding {
        case .text: piece.text = String(decoding: bytes, as: UTF8.self)
        case .base64: piece.base64 = Data(bytes).base64EncodedString()
        }
        return try ServerSentEvent(id: "\(position)", stream.rawValue, piece)
    }

    private mutating func events(forGap range: Range<UInt64>, in stream: ChildStream) throws -> [ServerSentEvent] {
        let rest = try rest(of: stream)
        position.move(stream, to: range.upperBound)
        let gap = Gap(stream: stream, from: range.lowerBound, to: range.upperBound)
        return try [rest, ServerSentEvent(id: "\(position)", "gap", gap)].compactMap(\.self)
    }

    /// Nil if nothing is known of a new life; the client asks again.
    private mutating func beginAnew() async throws -> ServerSentEvent? {
        guard let epoch = await session.record()?.epoch, epoch != position.epoch else { return nil }
        position = OutputPosition(epoch: epoch)
        cutters = [:]
        return try ServerSentEvent(id: "\(position)", "anew", ["epoch": epoch])
    }
}
