import UVKeeper

/// A foreign client of a session's channel, byte for byte: its user decides what it sends, and gets its messages line
/// by line. The client asks for no output, so no message has a payload.
final class ChannelSocket {
    /// A message of the keeper's, without its newline.
    var onMessage: (String) -> Void = { _ in }
    /// Called once, unless the client is closed before: no keeper listens, or the keeper has closed.
    var onEnd: (UVError?) -> Void = { _ in }
    private var stream: PipeStream?
    private var pending: [UInt8] = []

    /// Connects.
    init(to path: String, on loop: Loop) {
        do throws(UVError) {
            stream = try PipeStream(connectingTo: path, on: loop) { [weak self] stream, error in
                guard let self else { return stream.close() }
                if let error { return end(error) }
                do throws(UVError) {
                    try stream.readStart(
                        onBytes: { [weak self] _, bytes in bytes.withUnsafeBytes { self?.received($0) } },
                        onEnd: { [weak self] _, error in self?.end(error) })
                } catch {
                    end(error)
                }
            }
        } catch {
            loop.onNextTick { [weak self] in self?.end(error) }
        }
    }

    /// Sends bytes; `completion` runs when the kernel has taken them, or the connection has failed.
    func say(_ bytes: [UInt8], completion: @escaping () -> Void = {}) {
        guard let stream, !stream.isClosing else { return }
        stream.write(bytes) { _ in completion() }
    }

    func say(_ text: String) { say(Array((text + "\n").utf8)) }

    /// Ends the sending side.
    func finish() {
        if let stream, !stream.isClosing { stream.shutdown() }
    }

    func close() {
        stream?.close()
        stream = nil
    }

    private func end(_ error: UVError?) {
        guard stream != nil || error != nil else { return }
        close()
        let onEnd = onEnd
        (self.onEnd, onMessage) = ({ _ in }, { _ in })
        onEnd(error)
    }

    private func received(_ bytes: UnsafeRawBufferPointer) {
        pending += bytes
        while stream != nil, let end = pending.firstIndex(of: 10) {
            let message = String(decoding: pending[..<end], as: UTF8.self)
            pending.removeFirst(end + 1)
            onMessage(message)
        }
    }

    /// Returns the value of a member of a flat JSON object if it is a plain string, a hello's epoch for instance.
    static func text(_ member: String, in message: String) -> String? {
        guard let start = message.firstRange(of: "\"\(member)\":\"")?.upperBound,
            let end = message[start...].firstIndex(of: "\"")
        else { return nil }
        return String(message[start..<end])
    }
}
