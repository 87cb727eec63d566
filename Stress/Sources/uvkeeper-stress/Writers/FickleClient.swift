import UVKeeper

/// A foreign client of the channel that is interrupted: its connection is cut at a byte drawn from a seed, or a newer
/// one takes over in mid-stream. The client comes back under its name, sends again the lines above the number that the
/// keeper knows, and so on; the last time it stays until all are acknowledged.
final class FickleClient {
    enum Way {
        /// The client goes away, or ends its sending side, perhaps in the middle of a message.
        case cut
        /// The client connects once more while the previous connection is open.
        case replace
    }

    /// Called for each message that the contract rules out.
    var onViolation: (String) -> Void = { _ in }
    /// Returns true if the client is to come back although its connection has ended.
    var isGoingOn: () -> Bool = { true }
    private let path: String
    private let name: String
    private let way: Way
    private let lines: [[UInt8]]
    private let completion: (_ acknowledged: Int) -> Void
    private let timer: TimerHandle
    private var generator: SeededGenerator
    private var roundsLeft: Int
    private var socket: ChannelSocket?
    /// True if the present connection has sent all its bytes.
    private var isLeaving = false
    /// The replaced connections that have not ended yet, with true for those that were told why.
    private var former: [ObjectIdentifier: (socket: ChannelSocket, wasTold: Bool)] = [:]
    private var epoch: String?
    /// The highest number that has been sent, at least in part.
    private var last = 0
    private var acknowledged = 0

    /// - Parameters:
    ///   - lines: with their newlines; the first has number 1.
    ///   - completion: runs once, with the number of the last line that was acknowledged.
    init(
        to path: String, named name: String, _ way: Way, lines: [[UInt8]], seed: UInt64, on loop: Loop,
        completion: @escaping (_ acknowledged: Int) -> Void,
    ) {
        self.path = path
        self.name = name
        self.way = way
        self.lines = lines
        self.completion = completion
        timer = TimerHandle(on: loop)
        generator = SeededGenerator(seed: seed)
        roundsLeft = 2 + Int(generator.next() % 4)
        connect()
    }

    // MARK: Connections

    private func connect() {
        let socket = ChannelSocket(to: path, on: timer.loop)
        self.socket = socket
        isLeaving = false
        socket.onMessage = { [unowned self, unowned socket] in heard($0, on: socket) }
        socket.onEnd = { [unowned self, unowned socket] in ended(socket, $0) }
    }

    private func ended(_ socket: ChannelSocket, _ error: UVError?) {
        if let former = former.removeValue(forKey: ObjectIdentifier(socket)) {
            if !former.wasTold { onViolation("\(name): a connection that was replaced was not told, \(error as Any)") }
            return finishIfDone()
        }
        guard socket === self.socket else { return }
        self.socket = nil
        guard isGoingOn() else { return complete() }
        timer.start(after: .milliseconds(5)) { [unowned self] _ in connect() }
    }

    private func heard(_ message: String, on socket: ChannelSocket) {
        let words = message.split(separator: " ")
        if former[ObjectIdentifier(socket)] != nil {
            if message.hasPrefix("error writer-replaced ") { former[ObjectIdentifier(socket)]?.wasTold = true }
            return
        }
        switch words.first {
        case "hello": introduce(message, on: socket)
        case "writer" where words.count == 4: goOn(Int(words[2]) ?? -1, Int(words[3]) ?? -1, on: socket)
        case "ack" where words.count == 2: note(acknowledged: Int(words[1]) ?? -1)
        case "exit": break
        default: onViolation("\(name) was told: \(message)")
        }
    }

    private func introduce(_ hello: String, on socket: ChannelSocket) {
        let present = ChannelSocket.text("epoch", in: hello)
        // Another keeper does not know this writer.
        guard epoch == nil || epoch == present else { return complete() }
        epoch = present
        let introduction = Array("writer \(name) {\"epoch\":\"\(epoch ?? "")\",\"last\":\(last)}\n".utf8)
        // Half of the time the client does not wait for the answer, and sends lines that may not be needed.
        guard roundsLeft > 0, generator.next() & 1 == 0 else { return socket.say(introduction) }
        giveUp(socket, introduction + messages(after: acknowledged), introduction: introduction.count)
    }

    private func goOn(_ taken: Int, _ acknowledged: Int, on socket: ChannelSocket) {
        if taken < self.acknowledged || taken > last || acknowledged < self.acknowledged || acknowledged > taken {
            onViolation("\(name): the keeper has taken \(taken) and written \(acknowledged) of \(last) lines")
        }
        note(acknowledged: acknowledged)
        guard self.socket === socket, !isLeaving else { return }
        guard roundsLeft == 0 else { return giveUp(socket, messages(after: taken)) }
        last = lines.count
        socket.say(messages(after: taken))
        finishIfDone()
    }

    // MARK: Lines

    private func messages(after number: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        for sequence in number + 1..<max(number, lines.count) + 1 {
            let line = lines[sequence - 1]
            // The length counts the newline, or not: both are the same line.
            let length = line.count - Int(generator.next() & 1)
            bytes += "write \(sequence) \(length)\n".utf8
            bytes += line
        }
        return bytes
    }

    /// Sends a random number of the bytes, and goes away or is replaced.
    ///
    /// - Parameter introduction: the number of bytes that introduce the client; before their end a newer connection
    /// replaces nobody.
    private func giveUp(_ socket: ChannelSocket, _ bytes: [UInt8], introduction: Int = 0) {
        isLeaving = true
        roundsLeft -= 1
        let count = bytes.isEmpty ? 0 : Int(generator.next() % UInt64(bytes.count))
        let isClosed = generator.next() & 1 == 0
        // All of the lines may have been sent.
        last = lines.count
        // A write also completes when its stream is closed, perhaps after this client is done.
        let wayOut = { [weak self, weak socket] in
            guard let self, let socket, self.socket === socket else { return }
            switch way {
            case .replace where count >= introduction:
                former[ObjectIdentifier(socket)] = (socket, false)
                connect()
            case .replace,
                .cut where isClosed:
                socket.close()
                self.socket = nil
                connect()
            // The keeper serves the whole messages before the end.
            case .cut: socket.finish()
            }
        }
        guard count > 0 else { return wayOut() }
        socket.say(Array(bytes[..<count]), completion: wayOut)
    }

    private func note(acknowledged number: Int) {
        if number < acknowledged || number > last {
            onViolation("\(name): ack \(number) of \(last) after \(acknowledged)")
        }
        acknowledged = max(acknowledged, number)
        finishIfDone()
    }

    private func finishIfDone() {
        if roundsLeft == 0, acknowledged == lines.count, former.isEmpty { complete() }
    }

    private func complete() {
        guard !timer.isClosing else { return }
        timer.close()
        socket?.close()
        socket = nil
        for former in former.values { former.socket.close() }
        former = [:]
        completion(acknowledged)
    }
}
