import UVKeeper

/// A faulty way to a session, one line at a time: the proof that the harness notices. Of one line in so many it hands over all
/// but the newline on one connection, gives that up as not sent, and sends the whole line on another.
final class ResendingChannel: LineChannel {
    private struct Line {
        let bytes: [UInt8]
        let completion: (Ledger.Outcome) -> Void
    }

    private let path: String
    private let loop: Loop
    private let interval: Int
    private var waiting: [Line] = []
    private var connection: KeeperConnection?
    private var count = 0

    init(to path: String, on loop: Loop, interval: Int) {
        self.path = path
        self.loop = loop
        self.interval = interval
    }

    var isReady: Bool { true }

    func send(_ bytes: [UInt8], completion: @escaping (Ledger.Outcome) -> Void) {
        waiting.append(Line(bytes: bytes, completion: completion))
        if waiting.count == 1 { next() }
    }

    func close() { connection?.close() }

    private func next() {
        guard let line = waiting.first else { return }
        count += 1
        let send = { [self] in
            deliver(line.bytes) { [self] outcome in
                // Whatever this sends waits behind it.
                line.completion(outcome)
                waiting.removeFirst()
                next()
            }
        }
        guard count % interval == interval / 2 else { return send() }
        deliver(Array(line.bytes.dropLast())) { _ in send() }
    }

    private func deliver(_ bytes: [UInt8], completion: @escaping (Ledger.Outcome) -> Void) {
        do throws(UVError) {
            connection = try KeeperConnection(
                to: path, on: loop,
                onOpen: { connection in
                    connection.write(bytes)
                    connection.finish()
                },
                onEnd: { [self] in
                    connection = nil
                    completion(Ledger.Outcome($1))
                })
        } catch {
            loop.onNextTick { completion(.refused) }
        }
    }
}

extension Ledger.Outcome {
    /// The outcome of the only line of a connection.
    init(_ end: KeeperConnection.End) {
        switch end {
        case .confirmed: self = .written
        case .failed(_, accepted: 0): self = .refused
        case .failed: self = .unknown
        }
    }
}
