import KeeperProtocol
import TestSupport
import UVLoop

/// Random values of everything that the protocol is made of, the same for the same seed.
struct RandomValues {
    private var generator: SeededGenerator

    init(seed: UInt64) { generator = SeededGenerator(seed: seed) }

    mutating func one<Element>(of elements: [Element]) -> Element { elements.randomElement(using: &generator)! }

    mutating func flag() -> Bool { .random(using: &generator) }

    mutating func count(_ limit: Int) -> Int { .random(in: 0...limit, using: &generator) }

    /// Up to 15 digits, with short ones as likely as long ones.
    mutating func number() -> UInt64 {
        let limits: [UInt64] = [1, 10, 1000, 1_000_000, UInt64(JSONValue.largestNumber)]
        return flag() ? one(of: limits) : .random(in: 0...one(of: limits), using: &generator)
    }

    mutating func maybe<Value>(_ value: (inout RandomValues) -> Value) -> Value? { flag() ? value(&self) : nil }

    mutating func array<Value>(_ limit: Int, _ value: (inout RandomValues) -> Value) -> [Value] {
        (0..<count(limit)).map { _ in value(&self) }
    }

    mutating func text(_ limit: Int = 12) -> String {
        let scalars: [Unicode.Scalar] = [
            "a", "Z", "0", " ", "\"", "\\", "\n", "\u{0}", "\u{1F}", "\u{7F}", "é", "€", "😀", "{", "/",
        ]
        var text = ""
        for _ in 0..<count(limit) { text.unicodeScalars.append(one(of: scalars)) }
        return text
    }

    mutating func name(_ limit: Int = 64) -> String {
        let first = Array("abcXYZ019")
        return String([one(of: first)] + array(limit - 1) { $0.one(of: first + [".", "_", "-"]) })
    }

    mutating func epoch() -> String { SessionRecord.epoch(random: .random(in: .min ... .max, using: &generator)) }

    mutating func json(depth: Int) -> JSONValue {
        switch count(depth > 0 ? 5 : 3) {
        case 0: return nil
        case 1: return .bool(flag())
        case 2: return .number(Int(number()))
        case 3: return .string(text())
        case 4: return .array(array(4) { $0.json(depth: depth - 1) })
        default:
            var names: Set<String> = []
            let members = array(4) { $0.text() }.filter { names.insert($0).inserted }
            return .object(members.map { .init($0, json(depth: depth - 1)) })
        }
    }

    mutating func pid() -> Int32 { .random(in: 1 ... .max, using: &generator) }

    mutating func range() -> KeptRange {
        let (one, other) = (number(), number())
        return KeptRange(start: min(one, other), end: max(one, other))
    }

    mutating func ranges() -> SessionStatus.Streams<KeptRange> { .init(out: range(), err: range()) }

    mutating func streams<Value>(_ value: (inout RandomValues) -> Value) -> [ChildStream: Value] {
        var streams: [ChildStream: Value] = [:]
        for stream in ChildStream.allCases where flag() { streams[stream] = value(&self) }
        return streams
    }

    mutating func labels() -> SessionLabels { SessionLabels(array(4) { ($0.name(), $0.text()) }) }

    mutating func writer() -> WriterState {
        WriterState(name: name(), last: number(), acknowledged: number(), connected: maybe { $0.flag() })
    }

    // MARK: Messages

    mutating func request() -> ChannelRequest {
        switch one(of: ChannelVerb.allCases) {
        case .writer: .writer(WriterName(name())!, epoch: maybe { $0.epoch() }, last: maybe { $0.number() })
        case .write: .write(sequence: number(), length: Int(number()))
        case .read: .read(readRequest())
        case .status: .status
        case .endInput: .endInput
        case .signal:
            .signal(one(of: [.interrupt, .terminate, .hangUp, .user1, .user2, .quit, .kill, .continue, .stop]))
        case .stop: .stop(StopLadder(endOfInput: maybe { $0.step() }, terminate: maybe { $0.step() }))
        case .label:
            .label(labels().map { .init($0.key, flag() ? .string($0.value) : .null) })
        case .ping: .ping
        }
    }

    private mutating func step() -> Duration { .milliseconds(count(3_600_000)) }

    mutating func readRequest() -> ReadRequest {
        let streams: [ChildStream] = one(of: [[.out], [.err], [.out, .err], [.err, .out]])
        let from: ReadRequest.Start =
            switch count(3) {
            case 0: .start
            case 1: .end
            case 2: .last(number())
            default: .offsets(Dictionary(streams.map { ($0, number()) }, uniquingKeysWith: { first, _ in first }))
            }
        return ReadRequest(streams, from: from, epoch: maybe { $0.epoch() }, follows: flag())
    }

    mutating func message(_ kind: Int) -> ChannelMessage {
        switch kind {
        case 0: .hello(hello())
        case 1: .writer(WriterName(name())!, last: number(), acknowledged: number())
        case 2: .acknowledged(number())
        case 3: .reading(streams { ChannelMessage.Position(from: $0.number(), kept: $0.range()) })
        case 4: .output(one(of: ChildStream.allCases), offset: number(), length: count(ChannelConstants.longestChunk))
        case 5: .gap(one(of: ChildStream.allCases), 0..<max(1, number()))
        case 6: .end(streams { $0.number() })
        case 7: .status(status())
        case 8: .ok(one(of: ChannelVerb.allCases))
        case 9: .exit(exit())
        case 10: .error(error())
        default: .pong
        }
    }

    static let messageKinds = 12

    private mutating func error() -> ChannelError {
        let code = one(of: ChannelError.Code.allCases)
        let text = one(of: ["", "why", "two  spaces, \"quotes\" and é", "write is followed by two numbers"])
        if flag() { return ChannelError(code, .write, sequence: maybe { $0.number() }, text) }
        return ChannelError(code, one(of: ["-", "read", "unknown-verb", "stop"]), text)
    }

    mutating func hello() -> ChannelHello {
        ChannelHello(
            version: text(), session: name(), epoch: epoch(), maximumLineLength: Int(number()),
            output: maybe { $0.ranges() })
    }

    mutating func status() -> SessionStatus {
        var status = SessionStatus(
            session: name(), epoch: epoch(), state: one(of: [.starting, .running, .stopping]),
            keeper: .init(pid: pid(), version: text(), startedAt: text()), child: .init(pid: pid(), startedAt: text()))
        (status.linesIn, status.bytesIn, status.queuedBytes) = (number(), number(), Int(number()))
        (status.blockedSince, status.lastInputAt) = (maybe { $0.text() }, maybe { $0.text() })
        status.lastOutputAt = maybe { $0.text() }
        status.clients = .init(raw: count(100), channel: count(1024))
        status.writers = array(4) { $0.writer() }
        status.writersTotal = count(1024)
        status.output = maybe { $0.ranges() }
        status.lostOutput = .init(out: number(), err: number())
        status.labels = labels()
        status.place = place()
        return status
    }

    mutating func exit() -> SessionExit {
        let reasons: [SessionExit.Reason] = [
            .exited, .stopped, .crashedAtStart, .cannotStart, .keeperSignalled, .keeperLost,
        ]
        var exit = SessionExit(reason: one(of: reasons), at: text())
        if flag() { exit.code = Int32(count(255)) } else { exit.signal = maybe { $0.one(of: ["TERM", "KILL", "34"]) } }
        exit.by = maybe { $0.one(of: [.eof, .term, .kill]) }
        exit.leftBehind = array(4) { $0.pid() }
        exit.output = maybe { SessionExit.Output(out: $0.range(), err: $0.range(), held: $0.flag()) }
        exit.inputUnread = maybe { Int($0.number()) }
        exit.writers = array(4) { $0.writer() }
        exit.stderrTail = text(40)
        exit.oom = maybe { $0.flag() }
        exit.childStillRan = maybe { $0.flag() }
        return exit
    }

    private mutating func place() -> SessionPlace {
        flag() ? SessionPlace() : SessionPlace(controlGroup: "/" + text(), survivesServiceStop: maybe { $0.flag() })
    }

    mutating func record() -> SessionRecord {
        var record = SessionRecord(
            session: name(), epoch: epoch(), bootID: text(),
            keeper: .init(pid: pid(), startTicks: maybe { $0.number() }, version: maybe { $0.text() }), cwd: text(),
            startedAt: text())
        record.child = maybe { .init(pid: $0.pid(), startTicks: $0.maybe { $0.number() }) }
        record.command = maybe { $0.array(5) { $0.text() } }
        if flag() { record.cut = true }
        record.labels = labels()
        record.place = place()
        record.exit = maybe { $0.exit() }
        return record
    }
}
