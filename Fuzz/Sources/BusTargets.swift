import KeeperProtocol

/// What a bus of D-Bus sends to a keeper.
enum BusTargets {
    /// The reader of messages: it takes nothing, or one message, and what follows stays; no value is longer than what came.
    static func message(_ bytes: UnsafeRawBufferPointer) {
        var rest = Array(bytes)
        do throws(BusMessage.Malformed) {
            while true {
                let before = rest
                guard let message = try BusMessage.take(from: &rest) else {
                    require(rest == before, "bytes are gone without a message")
                    return
                }
                let length = before.count - rest.count
                require(length >= 16 && before.suffix(rest.count) == rest[...], "what follows has changed")
                check(message, length)
                checkPieces(before, length, message)
            }
        } catch {
            return
        }
    }

    private static func check(_ message: BusMessage, _ length: Int) {
        require(message.body.count <= length, "a body of \(message.body.count) bytes in \(length)")
        let texts = message.texts
        require(texts.count <= message.signature.utf8.count, "\(texts.count) values of '\(message.signature)'")
        let fields = [message.path, message.interface, message.member, message.errorName, message.signature]
        for text in fields.compactMap({ $0 }) + texts {
            require(text.utf8.count <= length, "a text of \(text.utf8.count) bytes in \(length)")
        }
    }

    /// A byte less is no message yet, and the same bytes alone are the same message.
    private static func checkPieces(_ bytes: [UInt8], _ length: Int, _ message: BusMessage) {
        do throws(BusMessage.Malformed) {
            var short = Array(bytes.prefix(length - 1))
            require(try BusMessage.take(from: &short) == nil, "a message that has not come whole is taken")
            var alone = Array(bytes.prefix(length))
            require(try BusMessage.take(from: &alone) == message && alone.isEmpty, "alone it is another message")
        } catch {
            fatalError("a message is refused that was read")
        }
    }

    /// The whole conversation: it comes to the same end whatever the pieces, and takes nothing after it. The first byte says
    /// whether a service is asked for, the second is a seed for the pieces.
    static func conversation(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count > 2 else { return }
        let service = bytes[0] & 1 == 0 ? nil : "a.service"
        let content = UnsafeRawBufferPointer(rebasing: bytes[2...])
        let whole = end(of: [content], leaving: service)
        let pieces = end(of: FramerTargets.cut(content, seed: bytes[1]), leaving: service)
        require(
            whole.end == pieces.end, "\(String(describing: whole.end)) in pieces is \(String(describing: pieces.end))")
        require(whole.end != nil || whole.sent == pieces.sent, "other bytes are sent for other pieces")
    }

    private static func end(
        of pieces: [UnsafeRawBufferPointer], leaving service: String?,
    ) -> (end: ScopeConversation.End?, sent: [UInt8]) {
        let request = ScopeRequest(session: session, epoch: "0123456789abcdef")
        var conversation = ScopeConversation(request, leaving: service, processID: 4711)
        var sent: [UInt8] = []
        for (index, piece) in pieces.enumerated() {
            switch conversation.receive(piece) {
            case .send(let bytes): sent += bytes
            case .wait: break
            case .end(let end):
                for late in pieces[(index + 1)...] {
                    require(conversation.receive(late) == .wait, "something comes after the end")
                }
                return (end, sent)
            }
        }
        return (nil, sent)
    }

    private static let session: SessionID = "s"
}
