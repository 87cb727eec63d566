import TestSupport
import Testing
import UVLoop

/// One request over a connection of its own, and its answer as it comes.
final class HTTPExchange {
    private let stream: TCPStream
    private(set) var bytes: [UInt8] = []
    private(set) var isEnded = false
    private let loop: Loop

    init(_ request: [UInt8], port: Int, on loop: Loop) throws {
        self.loop = loop
        var connected: (UVError?) -> Void = { _ in }
        stream = try TCPStream(connectingTo: .loopback(.ipv4, port: port), on: loop) { connected($1) }
        connected = { [unowned self] error in
            guard error == nil else { return isEnded = true }
            // A server that has refused a request need not read the rest of it.
            stream.write(request)
        }
    }

    /// Reads; before that it is a client that takes nothing.
    func read() throws {
        try run(loop) { stream.isOpen || isEnded }
        guard !isEnded else { return stream.close() }
        try stream.readStart(
            onBytes: { [unowned self] _, bytes in bytes.withUnsafeBytes { self.bytes += $0 } },
            onEnd: { [unowned self] stream, _ in
                stream.close()
                isEnded = true
            })
    }

    func close() { stream.close() }
}

/// An answer that is complete.
struct HTTPAnswer {
    let status: Int
    /// By their names in lower case.
    let headers: [String: String]
    let body: [UInt8]

    /// Nil for bytes that are none, or not yet.
    init?(_ bytes: [UInt8]) {
        guard let end = bytes.firstRange(of: Array("\r\n\r\n".utf8)) else { return nil }
        let lines = String(decoding: bytes[..<end.lowerBound], as: UTF8.self).split(separator: "\r\n")
        let words = lines[0].split(separator: " ")
        guard words.count > 1, let status = Int(words[1]) else { return nil }
        self.status = status
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":") else { continue }
            headers[line[..<colon].lowercased()] = String(line[colon...].dropFirst().drop { $0 == " " })
        }
        self.headers = headers
        let rest = Array(bytes[end.upperBound...])
        if headers["transfer-encoding"] == "chunked" {
            body = HTTPAnswer.unchunked(rest).body
        } else {
            guard rest.count >= Int(headers["content-length"] ?? "0") ?? 0 else { return nil }
            body = rest
        }
    }

    /// What has come of a body in chunks.
    static func unchunked(_ bytes: [UInt8]) -> (body: [UInt8], isComplete: Bool) {
        var body: [UInt8] = []
        var rest = bytes[...]
        while let end = rest.firstRange(of: Array("\r\n".utf8)),
            let count = Int(String(decoding: rest[..<end.lowerBound], as: UTF8.self), radix: 16)
        {
            if count == 0 { return (body, true) }
            body += rest[end.upperBound...].prefix(count)
            guard rest[end.upperBound...].count >= count + 2 else { break }
            rest = rest[end.upperBound...].dropFirst(count + 2)
        }
        return (body, false)
    }

    var json: JSON { get throws { try JSON(body) } }
    var text: String { String(decoding: body, as: UTF8.self) }
}
