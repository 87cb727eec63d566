import Libc
import TestSupport
import Testing
import UVLoop

/// Each completion of a connection comes once, with the reset or without an error, whatever the connection is doing
/// when it is reset.
@Suite("TCP: resets") struct NetworkResetTests {
    /// The operation of the connection when its peer resets it.
    enum Point: CaseIterable, Sendable {
        case reading, paused, writing, writingAndReading, shutDown, shuttingDown, finishing, peerFinished
        case pipingFrom, pipingTo, pipingBack, sendingFile
    }

    @Test("by the peer end everything that is under way, once", arguments: Point.allCases) func byPeer(point: Point)
        throws
    {
        try withTemporaryDirectory { directory in
            let much = [UInt8](repeating: 1, count: 16 << 20)
            try Posix.write([], to: "\(directory)/f")
            try #require(truncate("\(directory)/f", 64 << 20) == 0)
            try withLoop { loop in
                let (client, peer) = try makeTCPPair(on: loop)
                let (one, other) = try makeStreamPair(on: loop)
                let told = Told()
                switch point {
                case .reading: try told.read(client)
                case .paused:
                    try told.read(client)
                    client.readStop()
                    peer.write([1, 2, 3])
                    loop.run(.noWait)
                    try client.readResume()
                case .writing: told.write(much, to: client)
                case .writingAndReading:
                    told.write(much, to: client)
                    told.write([1], to: client)
                    try told.read(client)
                case .shutDown:
                    try told.read(client)
                    client.shutdown(told.expect("shutdown"))
                    loop.run(.noWait)
                case .shuttingDown:
                    told.write(much, to: client)
                    client.shutdown(told.expect("shutdown"))
                case .finishing:
                    told.write(much, to: client)
                    client.finish(deadline: hangTimeout, told.expect("finish"))
                case .peerFinished:
                    var hasEnded = false
                    try client.readStart(onBytes: { _, _ in }, onEnd: { _, _ in hasEnded = true })
                    peer.shutdown()
                    try run(loop) { hasEnded }
                    told.write(much, to: client)
                case .pipingFrom:
                    let done = told.expect("piping")
                    try client.pipe(to: one) { done($0?.error) }
                case .pipingTo:
                    let done = told.expect("piping")
                    try one.pipe(to: client) { done($0?.error) }
                    other.write(much)
                case .pipingBack:
                    let done = told.expect("piping")
                    try client.pipe(to: client) { done($0?.error) }
                    peer.write(much)
                case .sendingFile:
                    let done = told.expect("file")
                    try client.sendFile("\(directory)/f") { result in
                        if case .failure(let error) = result { done(error) } else { done(nil) }
                    }
                }
                // Some of the bytes are on their way.
                if point != .reading, point != .shutDown, point != .peerFinished { loop.run(.noWait) }
                peer.reset()
                try run(loop) { told.isComplete }
                var possible: Set<UVError> = [.connectionReset, .brokenPipe, .notConnected]
                // The finish closes the stream, which ends its writes.
                if point == .finishing { possible.insert(.canceled) }
                #expect(told.errors.isSubset(of: possible), "\(told.list)")
                for stream in [client, one, other] where !stream.isClosing { stream.close() }
                loop.run()
                #expect(told.isComplete, "\(told.list)")
            }
        }
    }

    /// The callback in which a connection is reset.
    enum Callback: CaseIterable, Sendable {
        case connect, bytes, end, write, drain, shutdown, idle, finish, accept, piping
    }

    @Test("from within a callback end everything else as canceled, once", arguments: Callback.allCases)
    func byOwner(callback: Callback) throws {
        try withLoop { loop in
            let told = Told()
            let listener = try TCPListener(bindingTo: .loopback(.ipv4, port: 0), on: loop)
            var accepted: TCPStream?
            var isClosed = false
            var peerEnds: [UVError?] = []
            let reset = { (stream: UVLoop.Stream) in
                guard let stream = stream as? TCPStream, !isClosed else { return }
                isClosed = true
                stream.reset(told.expectClose())
            }
            try listener.listen { listener, client in
                listener.close()
                expectNoError {
                    let client = try client.get()
                    if callback == .accept { return reset(client) }
                    accepted = client
                    client.write([UInt8](repeating: 2, count: 1 << 20))
                    try client.readStart(
                        onBytes: { stream, _ in if callback == .end { stream.shutdown() } },
                        onEnd: { stream, error in
                            peerEnds.append(error)
                            stream.close()
                        })
                    if callback == .end { client.shutdown() }
                }
            }
            let connected = told.expect("connect")
            let client = try TCPStream(connectingTo: listener.localAddress, on: loop) { stream, error in
                connected(error)
                guard error == nil, callback != .connect else { return reset(stream) }
                if callback == .idle { return stream.onIdle(after: .milliseconds(1)) { reset($0) } }
                expectNoError {
                    if callback == .piping {
                        let done = told.expect("piping")
                        try stream.pipe(to: stream) { done($0?.error) }
                        return stream.onIdle(after: .milliseconds(1)) { reset($0) }
                    }
                    try stream.readStart(
                        onBytes: { stream, _ in if callback == .bytes { reset(stream) } },
                        onEnd: { stream, _ in reset(stream) })
                }
            }
            client.onDrain = { if callback == .drain { reset($0) } }
            let written = told.expect("write")
            client.write([UInt8](repeating: 3, count: 8 << 20)) { error in
                written(error)
                if callback == .write { reset(client) }
            }
            if callback == .shutdown || callback == .end {
                let done = told.expect("shutdown")
                client.shutdown { error in
                    done(error)
                    if callback == .shutdown { reset(client) }
                }
            }
            if callback == .finish {
                let done = told.expect("finish")
                client.finish(deadline: .milliseconds(20)) { error in
                    done(error)
                    // The stream has closed by then, and the reset does nothing.
                    reset(client)
                }
            }
            try run(loop) { told.isComplete && (isClosed || client.isClosing) }
            for stream in [client, accepted] where stream?.isClosing == false { stream?.close() }
            loop.run()
            #expect(told.isComplete, "\(told.list)")
            let possible: Set<UVError> = [.canceled, .connectionReset, .brokenPipe, .timedOut]
            #expect(told.errors.isSubset(of: possible), "\(told.list)")
            #expect(peerEnds.count <= 1)
        }
    }

    /// The promised outcomes, and those that have come.
    private final class Told {
        private(set) var list: [(name: String, outcomes: [UVError?])] = []

        func expect(_ name: String) -> (UVError?) -> Void {
            let index = list.count
            list.append((name, []))
            return { self.list[index].outcomes.append($0) }
        }

        func expectClose() -> () -> Void {
            let done = expect("close")
            return { done(nil) }
        }

        func write(_ bytes: [UInt8], to stream: UVLoop.Stream) {
            stream.write(bytes, completion: expect("write"))
        }

        func read(_ stream: UVLoop.Stream) throws {
            let done = expect("end")
            try stream.readStart(onBytes: { _, _ in }, onEnd: { done($1) })
        }

        var isComplete: Bool { list.allSatisfy { $0.outcomes.count == 1 } }
        var errors: Set<UVError> { Set(list.flatMap { $0.outcomes.compactMap { $0 } }) }
    }

    @Test("do not come of a half-close with 100 MB in flight, which arrive whole") func halfClose() throws {
        try withLoop { loop in
            let (client, server) = try makeTCPPair(on: loop)
            let part = (0..<1 << 20).map { UInt8(truncatingIfNeeded: $0 &* 7 ^ $0 >> 9) }
            let count = 100
            var told: [String] = []
            for _ in 0..<count { client.write(part) { if $0 != nil { told.append("failed") } } }
            client.shutdown { told.append("sent \($0?.name ?? "all")") }
            #expect(client.queuedByteCount > 90 << 20, "most is still in flight")
            var (arrived, isRight) = (0, true)
            try server.readStart(
                onBytes: { _, bytes in
                    bytes.withUnsafeBytes { bytes in
                        var bytes = bytes[...]
                        while !bytes.isEmpty {
                            let place = arrived % part.count
                            let run = bytes.prefix(part.count - place)
                            isRight =
                                isRight
                                && part.withUnsafeBytes { part in
                                    memcmp(
                                        part.baseAddress! + place, UnsafeRawBufferPointer(rebasing: run).baseAddress!,
                                        run.count) == 0
                                }
                            arrived += run.count
                            bytes = bytes.dropFirst(run.count)
                        }
                    }
                },
                onEnd: { stream, error in
                    told.append("end \(error?.name ?? "in order")")
                    // The other direction is still open.
                    stream.write("thanks")
                    stream.shutdown { _ in stream.close() }
                })
            var answer: [UInt8] = []
            try client.collect { answer = $0 }
            loop.run()
            #expect(arrived == count * part.count && isRight)
            #expect(told == ["sent all", "end in order"])
            #expect(answer == Array("thanks".utf8))
        }
    }
}
