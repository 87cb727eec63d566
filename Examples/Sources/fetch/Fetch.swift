import Program
import UVLoop

/// An HTTP/1.1 request, which prints the body of its answer.
@main struct Fetch {
    static let program = Program(
        """
        usage: fetch URL

        Prints what is at an http URL: http://HOST[:PORT][/PATH]. Redirects are not followed.

        exit status: 0 an answer of 2xx, whole, 1 another, a cut one, or no connection, 64 wrong usage
        """)
    var (held, status, isChunked) = (ArraySlice<UInt8>(), 0, false)
    /// The number of bytes left of the body, or of a chunk; `max`: all that come. Nil: a line follows, or with status 0
    /// the head.
    var left: Int?

    static func main() throws {
        let url = /(?i:http):\/\/((\[[^\]]+\]|[^\/:?#@\[\s]+)(?::(\d+))?)([\/?][!-"$-~]*)?(?:#.*)?/
        guard let match = program.arguments.joined(separator: "\n").wholeMatch(of: url) else { program.wrongUsage() }
        let (loop, port) = (try Loop(), Int(match.3 ?? "80") ?? -1)
        let target = match.4.map { $0.hasPrefix("/") ? $0 : "/\($0)" } ?? "/"
        var answer = Fetch()
        do {
            try TCPConnect(toHost: match.2.filter { !"[]".contains($0) }, port: port, on: loop) { result in
                do {
                    let stream = try result.get()
                    stream.write("GET \(target) HTTP/1.1\r\nHost: \(match.1)\r\nConnection: close\r\n\r\n")
                    try stream.readStart(
                        onBytes: { _, bytes in answer.take(bytes.withUnsafeBytes(Array.init)) },
                        onEnd: { _, error in answer.end(isWhole: answer.left == .max && error == nil) })
                } catch { program.fail("\(error)") }
            }
        } catch { program.fail("\(error)") }
        loop.run()
    }

    mutating func take(_ bytes: [UInt8]) {
        held += bytes
        // Other protocols end at once, since their server may wait for us.
        guard held.count < 1 << 20, status > 0 || held.starts(with: "HTTP/1.".utf8.prefix(held.count))
        else { end(isWhole: false) }
        while true {
            if let count = left {
                guard count >= 0 else { end(isWhole: false) }
                let now = min(count, held.count)
                Fetch.program.write(held.prefix(now))
                held = held.dropFirst(now)
                left = count == .max ? count : count - now
                guard left == 0 else { return }
                guard isChunked, count > 0 else { end(isWhole: true) }
                left = nil
            }
            guard let end = held.firstRange(of: Array((status == 0 ? "\r\n\r\n" : "\r\n").utf8)) else { return }
            let text = String(decoding: held[..<end.lowerBound], as: UTF8.self)
            held = held[end.upperBound...]
            // An empty line ends the chunk before it.
            left = status == 0 ? begin(text) : text.isEmpty ? nil : size(text.prefix { $0.isHexDigit }, radix: 16)
        }
    }

    func size(_ digits: Substring, radix: Int) -> Int { min(Int(digits, radix: radix) ?? -1, .max - 1) }

    /// - Returns: the length of the body; nil if chunks or another head follow.
    mutating func begin(_ head: String) -> Int? {
        let lines = head.split(separator: "\r\n").map { $0.lowercased().filter { !" \t".contains($0) } }
        guard let match = head.prefixMatch(of: /HTTP\/1\.[01] ([1-9]\d\d)\b/) else { end(isWhole: false) }
        // "100 Continue" and similar heads come before the answer's.
        status = match.1.hasPrefix("1") ? 0 : Int(match.1)!
        isChunked = lines.contains { $0.hasPrefix("transfer-encoding:") && $0.hasSuffix("chunked") }
        let length = lines.first { $0.hasPrefix("content-length:") }.map { size($0.dropFirst(15), radix: 10) }
        return isChunked || status == 0 ? nil : status == 204 || status == 304 ? 0 : length ?? .max
    }

    func end(isWhole: Bool) -> Never {
        if isWhole, status / 100 == 2 { CurrentProcess.exit(0) }
        Fetch.program.fail(isWhole ? "the answer is \(status)" : "the answer was cut, or is none of HTTP/1.1")
    }
}
