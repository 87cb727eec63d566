import TestSupport
import Testing
import UVLoop

/// Many clients of one server, some at a time: each sends its number, finishes sending, and expects the number back.
final class Crowd {
    private let address: SocketAddress
    private let total: Int
    private let loop: Loop
    private var waiting: [TCPStream] = []
    private var hasLeave = false
    private var started = 0
    private var ended = 0
    /// The number of clients that have got back their bytes.
    private(set) var served = 0
    private(set) var failures: [String] = []

    init(_ address: SocketAddress, of total: Int, on loop: Loop) {
        self.address = address
        self.total = total
        self.loop = loop
    }

    var isDone: Bool { ended == total }

    /// Connects `count` clients. Clients send nothing before ``go()``; each that ends is followed by another.
    func add(_ count: Int) throws(UVError) {
        for _ in 0..<count { try addOne() }
    }

    /// Lets all clients send, now and later.
    func go() {
        hasLeave = true
        for client in waiting { client.shutdown() }
        waiting = []
    }

    private func addOne() throws(UVError) {
        let number = started
        started += 1
        let client = try TCPStream(connectingTo: address, on: loop) { [self] stream, error in
            if let error { return end(number, stream, "\(error)") }
            var answer: [UInt8] = []
            do throws(UVError) {
                try stream.readStart(
                    onBytes: { _, bytes in bytes.withUnsafeBytes { answer += $0 } },
                    onEnd: { [self] stream, error in
                        let isRight = error == nil && answer.elementsEqual("\(number)".utf8)
                        end(number, stream, isRight ? nil : "\(answer) \(error?.name ?? "")")
                    })
            } catch {
                end(number, stream, "\(error)")
            }
        }
        client.write("\(number)")
        if hasLeave { client.shutdown() } else { waiting.append(client) }
    }

    private func end(_ number: Int, _ client: UVLoop.Stream, _ failure: String?) {
        client.close()
        ended += 1
        if let failure { failures.append("\(number): \(failure)") } else { served += 1 }
        guard started < total else { return }
        expectNoError { () throws(UVError) in try addOne() }
    }
}
