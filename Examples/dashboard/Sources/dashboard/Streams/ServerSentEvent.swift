import NIOCore

/// One event of a stream of server-sent events, as browsers' `EventSource` reads it.
struct ServerSentEvent: Sendable {
    /// Where the stream stands behind it: what a client sends as `Last-Event-ID` to go on from here.
    var id: String?
    let name: String
    /// JSON, which has no newline.
    let data: String

    init(id: String? = nil, _ name: String, _ value: some Encodable) throws {
        self.id = id
        self.name = name
        data = String(decoding: try JSON.encode(value), as: UTF8.self)
    }

    /// As it is sent.
    var bytes: ByteBuffer {
        ByteBuffer(string: (id.map { "id: \($0)\n" } ?? "") + "event: \(name)\ndata: \(data)\n\n")
    }
}
