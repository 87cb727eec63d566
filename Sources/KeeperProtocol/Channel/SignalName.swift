package import UVLoop

/// The signals that a client may ask to be sent to the child, by their names in the protocol.
package enum SignalName {
    private static let signals: [(name: String, signal: Signal)] = [
        ("INT", .interrupt), ("TERM", .terminate), ("HUP", .hangUp), ("USR1", .user1), ("USR2", .user2),
        ("QUIT", .quit), ("KILL", .kill), ("CONT", .continue), ("STOP", .stop),
    ]

    /// All names, for people.
    package static var list: String { all.joined(separator: ", ") }

    package static var all: [String] { signals.map(\.name) }

    package static func signal(_ name: String) -> Signal? { signals.first { $0.name == name }?.signal }

    package static func name(_ signal: Signal) -> String? { signals.first { $0.signal == signal }?.name }
}
