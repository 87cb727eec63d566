import Program
import UVLoop

/// One HTTP/1.1 request: the body of its answer goes to standard output.
@main struct Fetch {
    static let program = Program(
        """
        usage: fetch URL

        Prints what is at an http URL: http://HOST[:PORT][/PATH]. Redirects are not followed.

        exit status: 0 an answer of 2xx, whole, 1 another, a cut one, or no connection, 64 wrong usage
        """)
    /// The status is 0 until the head of the answer has come.
    var (held, status, isChunked) = ([UInt8](), 0, false)
    /// What is still to come of the body, or of a chunk; `max`: all that comes. Nil: a line comes next.
    var left: Int?

    static func main() throws {
        let url = /(?i:http):\/\/((\[[^\]]+\]|[^\/:?#@\[\s]+)(?::(\d+))?)([\/?][!-"$-~]*)?(?:#.*)?/
        guard program.arguments.count == 1, let match = program.arguments[0].wholeMatch(of: url),
            let port = Int(match.3 ?? "80")
        else { program.wrongUsage() }
        let target = match.4.map { $0.hasPrefix("/") ? $0 : "/\($0)" } ?? "/"
        let loop = try Loop()
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
        guard held.count < 1 << 20 else { end(isWhole: false) }
        while true {
            if let count = left {
                guard count >= 0 else { end(isWhole: false) }
                let now = min(count, held.count)
                Fetch.program.write(held.prefix(now))
                held.removeFirst(now)
                left = count == .max ? count : count - now
                guard left == 0 else { return }
                guard isChunked, count > 0 else { end(isWhole: true) }
                left = nil
            }
            guard let end = held.firstRange(of: Array((status == 0 ? "\r\n\r\n" : "\r\n").utf8)) else { return }
            let text = String(decoding: held[..<end.lowerBound], as: UTF8.self)
            held.removeFirst(end.upperBound)
            // An empty line ends the chunk before.
            left = status == 0 ? begin(text) : text.isEmpty ? nil : Int(text.prefix { $0.isHexDigit }, radix: 16) ?? -1
        }
    }

    /// - Returns: the length of the body; nil: chunks follow, or another head.
    mutating func begin(_ head: String) -> Int? {
        let lines = head.split(separator: "\r\n").map { $0.lowercased().filter { $0 != " " && $0 != "\t" } }
        // "100 Continue" and its like come before the answer.
        guard let match = lines.first?.prefixMatch(of: /http\/1\.[01]([2-9]\d\d)/) else { return nil }
        status = Int(match.1)!
        isChunked = lines.contains { $0.hasPrefix("transfer-encoding:") && $0.hasSuffix("chunked") }
        let length = lines.first { $0.hasPrefix("content-length:") }.map { Int($0.dropFirst(15)) ?? -1 }
        return isChunked ? nil : status == 204 || status == 304 ? 0 : length ?? .max
    }

    func end(isWhole: Bool) -> Never {
        if isWhole, status / 100 == 2 { CurrentProcess.exit(0) }
        Fetch.program.fail(isWhole ? "the answer is \(status)" : "the answer was cut, or is none of HTTP/1.1")
    }
}
