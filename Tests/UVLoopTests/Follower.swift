import TestSupport
import Testing
import UVLoop

/// A tail, and its reports.
final class Follower {
    let path: String
    let loop: Loop
    let tail: FileTail
    var bytes: [UInt8] = []
    var events: [FileTail.Event] = []
    var onBytes: ((Follower) -> Void)?

    init(_ path: String, polls: Bool = false, on loop: Loop) {
        self.path = path
        self.loop = loop
        tail = FileTail(path, fallbackInterval: .milliseconds(1), alwaysPolls: polls, on: loop)
    }

    var text: String { String(decoding: bytes, as: UTF8.self) }

    func start(from start: FileTail.Start) throws {
        try tail.start(
            from: start,
            onBytes: { [self] _, span in
                span.withUnsafeBytes { bytes += $0 }
                onBytes?(self)
            },
            onEvent: { [self] _, event in events.append(event) },
        )
    }

    func run(until condition: (Follower) throws -> Bool) throws {
        try TestSupport.run(loop) { try condition(self) }
    }
}
