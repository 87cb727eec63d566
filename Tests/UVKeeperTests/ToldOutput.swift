import KeeperProtocol
import Testing

@testable import UVKeeper

/// What one read has told.
final class ToldOutput {
    var bytes: [ChildStream: [UInt8]] = [:]
    /// The offset of the first byte of each stream.
    var starts: [ChildStream: UInt64] = [:]
    var gaps: [Range<UInt64>] = []
    var last: OutputEvent?
    /// Called at the end of each callback.
    var onTold: ((OutputRead) -> Void)?
    private(set) var read: OutputRead?

    func start(
        _ session: Session, _ streams: [ChildStream] = [.out], from start: OutputStart, follows: Bool = true
    ) {
        read = session.read(streams, from: start, follows: follows) { stream, offset, bytes in
            let count = UInt64(self.bytes[stream]?.count ?? 0)
            self.starts[stream] = self.starts[stream] ?? offset
            if self.gaps.isEmpty { #expect(self.starts[stream]! + count == offset, "neither doubled nor missing") }
            self.bytes[stream, default: []] += bytes.withUnsafeBytes { Array($0) }
            self.onTold?(self.read!)
        } onEvent: { event in
            #expect(self.last == nil)
            if case .gap(_, let range) = event { self.gaps.append(range) } else { self.last = event }
            self.onTold?(self.read!)
        }
    }

    var text: String { String(decoding: bytes[.out] ?? [], as: UTF8.self) }

    var exit: SessionExit? { if case .ended(let exit) = last { exit } else { nil } }
}

extension World {
    /// Starts a shell command as session `s1` whose output is kept.
    func spawnKept(_ command: String) throws -> SpawnedKeeper {
        try spawn("s1", command: ["sh", "-c", command], environment: [KeeperVariable.outputMaximumBytes: "1000000"])
    }
}
