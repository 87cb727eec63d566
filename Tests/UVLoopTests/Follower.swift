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

/// Runs `body` with a follower of a file that has this text.
func withFollowed(
    _ text: String, from start: FileTail.Start = .end, polls: Bool = false, _ body: (Follower) throws -> Void
) throws {
    try withTemporaryDirectory { directory in
        try Posix.write(text, to: directory + "/f")
        try withLoop { loop in
            let follower = Follower(directory + "/f", polls: polls, on: loop)
            try follower.start(from: start)
            try body(follower)
            follower.tail.close()
        }
    }
}
