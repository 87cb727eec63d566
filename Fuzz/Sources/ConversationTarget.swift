import KeeperProtocol
import UVLoop

/// What a client sends, headers and payloads: a keeper finds the same in it whatever the pieces.
enum ConversationTarget {
    private enum Event: Equatable {
        case request(ChannelRequest)
        case error(ChannelError)
        case line([UInt8])
        case miscounted
        case tooLong
    }

    private static let longestLine = 256

    /// The first byte is the longest header, the second a seed for the pieces, and the rest is what they come from.
    static func run(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count > 2 else { return }
        let limit = Int(bytes[0]) + 1
        let content = UnsafeRawBufferPointer(rebasing: bytes[2...])
        let expected = naive(content, limit)
        require(read([content], limit) == expected, "one piece is another conversation")
        let pieces = FramerTargets.cut(content, seed: bytes[1])
        require(read(pieces, limit) == expected, "many pieces are another conversation")
    }

    private static func naive(_ bytes: UnsafeRawBufferPointer, _ limit: Int) -> [Event] {
        var events: [Event] = []
        var rest = Array(bytes)[...]
        while let end = rest.firstIndex(of: NewlineScan.newline), end - rest.startIndex < limit {
            let header = Array(rest[..<end])
            rest = rest[(end + 1)...]
            do throws(ChannelError) {
                let request = try lend(header) { (header) throws(ChannelError) in try ChannelRequest(header) }
                events.append(.request(request))
                guard case .write(_, let length) = request else { continue }
                guard length <= longestLine else { return events }
                guard rest.count >= length else { return events }
                let payload = rest.prefix(length)
                rest = rest.dropFirst(length)
                if payload.last == NewlineScan.newline {
                    events.append(.line(Array(payload)))
                } else if let next = rest.popFirst() {
                    guard next == NewlineScan.newline else { return events + [.miscounted] }
                    events.append(.line(payload + [next]))
                } else {
                    return events
                }
            } catch {
                events.append(.error(error))
                if error.code.closes { return events }
            }
        }
        let isTooLong = rest.count >= limit && !rest.prefix(limit).contains(NewlineScan.newline)
        return isTooLong ? events + [.tooLong] : events
    }

    private static func read(_ pieces: [UnsafeRawBufferPointer], _ limit: Int) -> [Event] {
        var framer = HeaderFramer(limit: limit)
        var payload: LinePayload?
        var events: [Event] = []
        for piece in pieces {
            var position = 0
            while position < piece.count {
                if var line = payload {
                    let taken = line.take(UnsafeRawBufferPointer(rebasing: piece[position...]))
                    guard let taken else { fatalError("there is no memory for \(line.length) bytes") }
                    position += taken
                    require(line.byteCount <= longestLine + 1, "\(line.byteCount) bytes are kept of \(line.length)")
                    if line.isMiscounted { return events + [.miscounted] }
                    if line.isWhole { line.withLine { events.append(.line(Array($0))) } }
                    payload = line.isWhole ? nil : line
                    continue
                }
                do throws(ChannelError) {
                    let request: ChannelRequest
                    switch framer.find(in: piece, from: &position) {
                    case .none: continue
                    case .tooLong: return events + [.tooLong]
                    case .here(let range): request = try ChannelRequest(UnsafeRawBufferPointer(rebasing: piece[range]))
                    case .pending:
                        request = try framer.takePending { (header) throws(ChannelError) in try ChannelRequest(header) }
                    }
                    events.append(.request(request))
                    guard case .write(let sequence, let length) = request else { continue }
                    guard length <= longestLine else { return events }
                    payload = LinePayload(sequence: sequence, length: length, fate: .taken)
                } catch {
                    events.append(.error(error))
                    if error.code.closes { return events }
                }
            }
        }
        return events
    }
}
