internal import KeeperProtocol
internal import UVLoop

/// Output that goes to the keeper's log, in whole lines, so that the two streams and the keeper's own lines do not tear
/// each other.
final class CapturedOutput: OutputSink {
    /// The time after which an unfinished line is written as it is: it may be a prompt.
    private static let patience = Duration.seconds(1)
    private static let longestPiece = 65_536

    private let log: KeeperLog
    private let loop: Loop
    private var timer: TimerHandle?
    /// The bytes of each stream's unfinished line.
    private var pieces: [ChildStream: [UInt8]] = [:]

    init(_ log: KeeperLog, on loop: Loop) {
        self.log = log
        self.loop = loop
    }

    var lost: SessionStatus.Streams<UInt64> { log.lostOutput }

    func receive(_ bytes: UnsafeRawBufferPointer, of stream: ChildStream) {
        var rest = bytes
        if let end = NewlineScan.last(in: bytes) {
            let whole = UnsafeRawBufferPointer(rebasing: bytes[...end])
            if var piece = pieces.removeValue(forKey: stream) {
                piece += whole
                piece.withUnsafeBytes { log.append($0, of: stream) }
            } else {
                log.append(whole, of: stream)
            }
            rest = UnsafeRawBufferPointer(rebasing: bytes[(end + 1)...])
        }
        guard !rest.isEmpty else { return }
        pieces[stream, default: []] += rest
        if pieces[stream]!.count >= CapturedOutput.longestPiece { write(stream) } else { writeLater() }
    }

    private func writeLater() {
        guard timer == nil else { return }
        timer = loop.after(CapturedOutput.patience) { [unowned self] in
            timer = nil
            for stream in ChildStream.allCases { write(stream) }
        }
    }

    /// Writes the bytes of a stream's unfinished line.
    private func write(_ stream: ChildStream) {
        guard let piece = pieces.removeValue(forKey: stream) else { return }
        piece.withUnsafeBytes { log.append($0, of: stream) }
    }

    func end(_ stream: ChildStream) {
        write(stream)
        guard pieces.isEmpty else { return }
        timer?.close()
        timer = nil
    }
}
