import TestSupport
import Testing
import UVLoop

/// One server-sent event.
struct Event: Equatable {
    var id: String?
    var name = "message"
    var data: JSON = .null
}

/// A client of a stream of events, as a browser's.
final class EventReader {
    private let exchange: HTTPExchange
    private let loop: Loop
    /// How many bytes of the answer were looked at.
    private var position = 0
    private(set) var events: [Event] = []
    private var body: [UInt8] = []
    private var hasHead = false

    init(_ exchange: HTTPExchange, on loop: Loop) throws {
        self.exchange = exchange
        self.loop = loop
        try exchange.read()
    }

    /// The connection has ended.
    var isEnded: Bool { exchange.isEnded }
    var lastID: String? { events.last { $0.id != nil }?.id }

    func close() { exchange.close() }

    /// Waits until a condition holds for the events that have come, or the stream ends.
    func read(until condition: ([Event]) -> Bool) throws {
        try run(loop) {
            try parse()
            return condition(events) || exchange.isEnded
        }
        try parse()
    }

    /// Waits for the end of the stream.
    func readToEnd() throws { try read { _ in false } }

    /// The text of a stream, put together; a piece that does not follow the one before is an error.
    func text(_ name: String, from start: Int = 0) throws -> String {
        var text = ""
        var next = start
        for event in events where event.name == name {
            guard event.data["offset"].number == next, let length = event.data["length"].number else {
                throw Hole(description: "a piece at \(event.data["offset"]) after \(next)")
            }
            next += length
            text += event.data["text"].text ?? ""
        }
        return text
    }

    struct Hole: Error, CustomStringConvertible {
        let description: String
    }

    private func parse() throws {
        if !hasHead {
            guard let end = exchange.bytes.firstRange(of: Array("\r\n\r\n".utf8)) else { return }
            position = end.upperBound
            hasHead = true
        }
        // Whole chunks only.
        while let line = exchange.bytes[position...].firstIndex(of: UInt8(ascii: "\n")),
            let count = Int(String(decoding: exchange.bytes[position..<line - 1], as: UTF8.self), radix: 16), count > 0,
            exchange.bytes.count >= line + 1 + count + 2
        {
            body += exchange.bytes[line + 1..<line + 1 + count]
            position = line + 1 + count + 2
        }
        while let end = body.firstRange(of: Array("\n\n".utf8)) {
            try take(String(decoding: body[..<end.lowerBound], as: UTF8.self))
            body.removeFirst(end.upperBound)
        }
    }

    private func take(_ text: String) throws {
        var event = Event()
        var hasData = false
        for line in text.split(separator: "\n") {
            if line.hasPrefix("id: ") { event.id = String(line.dropFirst(4)) }
            if line.hasPrefix("event: ") { event.name = String(line.dropFirst(7)) }
            if line.hasPrefix("data: ") {
                event.data = try JSON(Array(line.dropFirst(6).utf8))
                hasData = true
            }
        }
        if hasData { events.append(event) }
    }
}
