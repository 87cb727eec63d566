import KeeperProtocol

/// The reader of messages, on either side of the channel.
enum ChannelTargets {
    /// A header as a keeper reads it: it is refused with an error that a client can read, or it is a request whose own
    /// header is read as the same request.
    static func request(_ bytes: UnsafeRawBufferPointer) {
        checkShortWay(bytes)
        do throws(ChannelError) {
            let request = try ChannelRequest(bytes)
            let again = try lend(withoutNewline(request.header)) { (header) throws(ChannelError) in
                try ChannelRequest(header)
            }
            require(again == request, "\(request) is read as \(again)")
        } catch {
            let answer = read(ChannelMessage.error(error).header)
            guard case .error(let again) = answer else {
                fatalError("\(error) is read as \(String(describing: answer))")
            }
            require(again.code == error.code && again.verb == error.verb, "\(error) is read as \(again)")
            require(again.sequence == error.sequence && again.text == error.text, "\(error) is read as \(again)")
        }
    }

    /// The short way for `write` reads a header with its newline as the other reads it without, and none that has not come whole.
    private static func checkShortWay(_ bytes: UnsafeRawBufferPointer) {
        let newline = UInt8(ascii: "\n")
        guard !bytes.contains(newline) else { return }
        var position = 0
        require(WriteHeader(in: bytes, at: &position) == nil && position == 0, "half a header is taken for one")
        let whole = Array(bytes) + [newline]
        let header = whole.withUnsafeBytes { WriteHeader(in: $0, at: &position) }
        var request: ChannelRequest?
        do throws(ChannelError) { request = try ChannelRequest(bytes) } catch { request = nil }
        if case .write(let sequence, let length) = request {
            require(header?.sequence == sequence && header?.length == length, "\(request!) is read as \(header as Any)")
            require(position == whole.count, "the header ends at \(position)")
        } else {
            require(header == nil && position == 0, "\(header as Any) is no write")
        }
    }

    /// A header as a client reads it: it is refused, unknown, or a message whose own header is read as the same message.
    static func message(_ bytes: UnsafeRawBufferPointer) {
        let message: ChannelMessage?
        do throws(ChannelMessage.Malformed) { message = try ChannelMessage.read(bytes) } catch { return }
        guard let message else { return }
        let header = message.header
        guard let again = read(header) else { fatalError("\(message) has no header that can be read") }
        // The text of an error is made safe to print when it is written, and only then.
        if case .error = message {
            require(again.header == header, "\(message) is read as \(again)")
        } else {
            require(again == message, "\(message) is read as \(again)")
        }
    }

    private static func read(_ header: [UInt8]) -> ChannelMessage? {
        do throws(ChannelMessage.Malformed) {
            return try lend(withoutNewline(header)) { (header) throws(ChannelMessage.Malformed) in
                try ChannelMessage.read(header)
            }
        } catch {
            fatalError("\(String(decoding: header, as: UTF8.self)) is refused: \(error.reason)")
        }
    }

    private static func withoutNewline(_ header: [UInt8]) -> [UInt8] {
        let newline = UInt8(ascii: "\n")
        require(header.last == newline, "a header does not end in a newline")
        require(!header.dropLast().contains(newline), "a header has a newline within")
        return Array(header.dropLast())
    }
}
