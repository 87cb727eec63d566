import FoundationEssentials
import HTTPTypes
import Hummingbird
import UVKeeper
import UVKeeperAsync

/// What a client asks of a session's output: where it begins, and how it is written.
enum OutputStream {
    /// Where a client wants to begin.
    enum Start: Equatable {
        case start, end
        case last(UInt64)
        case position(OutputPosition)

        /// A browser that connects anew says where it stood in the header `Last-Event-ID`, whatever the address says.
        init(of request: Request) throws(Refusal) {
            let text =
                request.headers[.lastEventID] ?? request.uri.queryParameters["from"].map { String($0) } ?? "start"
            if text == "start" {
                self = .start
            } else if text == "end" {
                self = .end
            } else if text.hasPrefix("last:"), let count = UInt64(text.dropFirst(5)) {
                self = .last(count)
            } else if let position = OutputPosition(text) {
                self = .position(position)
            } else {
                throw .badRequest("from is start, end, last:BYTES, or the id of an event, EPOCH:OUT:ERR")
            }
        }
    }

    /// How the bytes are written: as text, in which others than UTF-8 are replaced, or as they are.
    enum Coding: String {
        case text, base64

        init(of request: Request) throws(Refusal) {
            let name = request.uri.queryParameters["as"].map { String($0) } ?? Coding.text.rawValue
            guard let coding = Coding(rawValue: name) else {
                throw .badRequest("as says how bytes are written, and is text or base64")
            }
            self = coding
        }
    }

    /// The offsets at which to begin, in the session's present life.
    static func position(of session: KeptSession, _ start: Start) async throws(Refusal) -> OutputPosition {
        let (kept, epoch) = try await keptOutput(of: session)
        guard let kept else { throw .noOutput(session.id) }
        switch start {
        case .position(let position): return position
        // What is no longer kept is told as a gap.
        case .start: return OutputPosition(epoch: epoch)
        case .end: return OutputPosition(epoch: epoch, out: kept.out.end, err: kept.err.end)
        case .last(let count):
            func begin(_ range: KeptRange) -> UInt64 { range.end - min(count, range.end - range.start) }
            return OutputPosition(epoch: epoch, out: begin(kept.out), err: begin(kept.err))
        }
    }

    /// What is kept of both streams, nil if nothing is, and in which life of the session.
    private static func keptOutput(of session: KeptSession) async throws(Refusal) -> (KeptRanges?, epoch: String) {
        guard let record = await session.record() else { throw .noSession(session.id) }
        if let exit = record.exit { return (exit.output.map { KeptRanges($0) }, record.epoch) }
        switch await status(of: session) {
        case .success(let status): return (status.output.map { KeptRanges($0) }, status.epoch)
        case .failure(let error):
            // It may have ended meanwhile.
            guard let record = await session.record() else { throw Refusal(error) }
            if let exit = record.exit { return (exit.output.map { KeptRanges($0) }, record.epoch) }
            // Its keeper was killed: its files are read from their beginning.
            guard case .connection = error else { throw Refusal(error) }
            return (KeptRanges(), record.epoch)
        }
    }

    private static func status(of session: KeptSession) async -> Result<SessionStatus, KeeperError> {
        do throws(KeeperError) { return .success(try await session.status()) } catch { return .failure(error) }
    }
}

extension HTTPField.Name {
    static let lastEventID = HTTPField.Name("Last-Event-ID")!
}
