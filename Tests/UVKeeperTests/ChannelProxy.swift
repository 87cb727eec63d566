import TestSupport
import Testing

@testable import UVKeeper

/// Stands between a manager and a keeper's channel, so that a test can cut connections at any byte, or keep answers back.
final class ChannelProxy {
    private final class Pair {
        let client: PipeStream
        var keeper: PipeStream?
        /// What came before the keeper was connected.
        var unsent: [UInt8]? = []
        init(_ client: PipeStream) { self.client = client }
        func close() {
            client.close()
            keeper?.close()
        }
    }

    /// What the keeper says goes no further.
    var dropsAnswers = false
    /// So many more bytes of the keeper are passed on, and nothing after them; nil: all.
    var answerBytesUntilSilence: Int?
    /// So many more bytes of clients are passed on, then their connections are cut; nil: all.
    var bytesUntilCut: Int?
    /// What clients say goes no further.
    var holdsRequests = false
    /// The answer to bytes of clients that go no further; nil: none.
    var reply: String?
    /// Bytes of clients that went no further.
    private(set) var heldByteCount = 0
    private(set) var connections = 0
    private let world: World
    private let path: String
    private let keeperPath: String
    private let listener: PipeListener
    private var pairs: [Pair] = []

    init(_ id: String, in world: World) throws {
        self.world = world
        path = world.paths.channel(for: try world.session(id))
        keeperPath = world.path("\(id).channel")
        try Files.rename(path, to: keeperPath)
        listener = world.owned(try PipeListener(bindingTo: path, on: world.loop))
        try listener.listen { [self] _, result in
            if case .success(let client) = result { expectNoError { try self.accepted(client) } }
        }
    }

    /// Cuts all connections, and takes new ones.
    func cut() {
        for pair in pairs { pair.close() }
        pairs = []
    }

    /// Cuts all connections; there is no channel any more.
    func remove() throws {
        cut()
        listener.close()
        try Files.unlinkIfPresent(path)
    }

    private func accepted(_ client: PipeStream) throws {
        connections += 1
        let pair = Pair(world.owned(client))
        pairs.append(pair)
        pair.keeper = world.owned(
            try PipeStream(connectingTo: keeperPath, on: world.loop) { keeper, error in
                guard error == nil else { return pair.close() }
                keeper.write(pair.unsent.take() ?? [])
                expectNoError {
                    try keeper.readStart(
                        onBytes: { _, bytes in
                            guard !self.dropsAnswers, !client.isClosing else { return }
                            client.write(self.answer(bytes.withUnsafeBytes { Array($0) }))
                        }, onEnd: { _, _ in pair.close() })
                }
            })
        try client.readStart(
            onBytes: { _, bytes in self.pass(bytes.withUnsafeBytes { Array($0) }, pair) },
            onEnd: { _, _ in pair.close() })
    }

    /// What is passed on of what the keeper has said.
    private func answer(_ bytes: [UInt8]) -> [UInt8] {
        guard let left = answerBytesUntilSilence else { return bytes }
        answerBytesUntilSilence = left - min(left, bytes.count)
        return Array(bytes.prefix(left))
    }

    private func pass(_ bytes: [UInt8], _ pair: Pair) {
        guard !holdsRequests else {
            heldByteCount += bytes.count
            if let reply { pair.client.write(reply) }
            return
        }
        var bytes = bytes
        var isCut = false
        if let left = bytesUntilCut {
            isCut = bytes.count >= left
            bytes = Array(bytes.prefix(left))
            bytesUntilCut = isCut ? nil : left - bytes.count
        }
        if pair.unsent == nil { pair.keeper?.write(bytes) } else { pair.unsent? += bytes }
        if isCut { pair.close() }
    }
}
