import UVKeeper

/// A foreign client of the raw socket, such as the original's server: connects, writes, ends its side, and waits for
/// the close.
///
/// The client has no time limit: only a keeper that drops it, or is not there, keeps it from handing over its bytes.
final class RawClient {
    private let path: String
    private let bytes: [UInt8]
    private let retries: TimerHandle
    private let completion: (Ledger.Outcome) -> Void

    /// `completion` runs once, on a later tick.
    ///
    /// - Throws: the errors of the path, or ``UVError/tooManyOpenFiles``.
    @discardableResult
    init(
        to path: String, _ bytes: [UInt8], on loop: Loop, completion: @escaping (Ledger.Outcome) -> Void,
    ) throws(UVError) {
        self.path = path
        self.bytes = bytes
        self.completion = completion
        retries = TimerHandle(on: loop)
        do throws(UVError) { try connect() } catch {
            retries.close()
            throw error
        }
    }

    private func connect() throws(UVError) {
        _ = try PipeStream(connectingTo: path, on: retries.loop) { stream, error in
            // A full backlog: the keeper lives and is busy.
            if error == .wouldBlock { return self.retry() }
            if error != nil { return self.end(.refused) }
            do throws(UVError) {
                try stream.readStart(
                    // A keeper never sends anything here.
                    onBytes: { _, _ in }, onEnd: { stream, error in self.ended(stream, error) })
            } catch {
                stream.close()
                return self.end(.refused)
            }
            stream.write(self.bytes)
            stream.shutdown()
        }
    }

    private func retry() {
        retries.start(after: .milliseconds(2 + Int.random(in: 0..<14))) { _ in
            do throws(UVError) { try self.connect() } catch { self.end(.refused) }
        }
    }

    private func ended(_ stream: Stream, _ error: UVError?) {
        let accepted = stream.acceptedByteCount
        let isClean = error == nil && stream.writeError == nil && accepted == UInt64(bytes.count)
        stream.close()
        // After a failed write the count of accepted bytes is only an upper bound.
        end(isClean ? .handedOver : accepted == 0 ? .refused : .unknown)
    }

    private func end(_ outcome: Ledger.Outcome) {
        retries.close()
        completion(outcome)
    }
}
