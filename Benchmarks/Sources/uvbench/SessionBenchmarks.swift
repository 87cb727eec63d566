import UVKeeper

/// The channel of a session: acknowledged lines, and the child's output.
///
/// Names are those of the C peer, `Peers/c/channel-client.c`; instead of a socket, the arguments name a sessions
/// directory and a session.
enum SessionBenchmarks {
    static let all = [
        Benchmark(name: "lines", run: lines),
        Benchmark(name: "ask", run: ask),
        Benchmark(name: "output", run: output),
    ]

    /// A manager with a session that another program has started.
    private struct World {
        let loop: Loop
        let manager: KeeperManager
        let session: Session

        init(_ arguments: [String], busyPoll: Duration = .zero) throws {
            guard arguments.count >= 2 else { fail("COUNT DIRECTORY SESSION ...") }
            loop = try Loop()
            var options = KeeperManager.Options()
            options.sessionsDirectory = arguments[0]
            options.busyPoll = busyPoll
            manager = try KeeperManager(on: loop, options: options)
            session = manager.session(try SessionID(arguments[1]))
        }

        func close() throws {
            manager.close()
            loop.run()
            try loop.close()
        }
    }

    /// usage: lines COUNT DIRECTORY SESSION IN_FLIGHT SIZE [BUSY_POLL]. A line is done when its outcome is reported: the
    /// child's pipe has it. BUSY_POLL: microseconds in which the client does not sleep.
    private static func lines(_ count: Int, _ arguments: [String]) throws -> Measurement {
        let busyPoll = arguments.count == 5 ? Int(arguments[4]) ?? 0 : 0
        let world = try World(arguments, busyPoll: .microseconds(busyPoll))
        guard arguments.count == 4 || busyPoll > 0, let inFlight = Int(arguments[2]), let size = Int(arguments[3]),
            size > 0
        else {
            fail("COUNT DIRECTORY SESSION IN_FLIGHT SIZE [BUSY_POLL]")
        }
        let writer = LineWriter(world, [UInt8](repeating: 0x78, count: size - 1) + [0x0A])
        func run(_ count: Int) {
            writer.begin(count, inFlight)
            world.loop.run()
        }
        run(count / 8 + 1)
        let time = timed { run(count) }
        try world.close()
        return Measurement(total: time)
    }

    /// Keeps a number of lines under way.
    private final class LineWriter {
        private let loop: Loop
        private let session: Session
        private let line: [UInt8]
        private var toBegin = 0
        private var toEnd = 0

        init(_ world: World, _ line: [UInt8]) {
            loop = world.loop
            session = world.session
            self.line = line
        }

        func begin(_ count: Int, _ inFlight: Int) {
            (toBegin, toEnd) = (count, count)
            for _ in 0..<min(count, inFlight) { next() }
        }

        private func next() {
            toBegin -= 1
            session.write(line) { [self] outcome in
                guard case .written = outcome else { fail("\(outcome)") }
                toEnd -= 1
                if toBegin > 0 { next() }
                if toEnd == 0 { loop.stop() }
            }
        }
    }

    /// usage: ask COUNT DIRECTORY SESSION. The child answers each line with as many bytes; one question at a time.
    private static func ask(_ count: Int, _ arguments: [String]) throws -> Measurement {
        let world = try World(arguments)
        let asker = Asker(world)
        func run(_ count: Int) {
            asker.begin(count)
            world.loop.run()
        }
        run(count / 8 + 1)
        let time = timed { run(count) }
        asker.close()
        try world.close()
        return Measurement(total: time)
    }

    private final class Asker {
        private let loop: Loop
        private let session: Session
        private let line = [UInt8](repeating: 0x78, count: 63) + [0x0A]
        private var read: OutputRead?
        private var left = 0
        private var missing = 0

        init(_ world: World) {
            loop = world.loop
            session = world.session
            read = session.read(
                from: .start,
                onBytes: { [unowned self] _, _, bytes in
                    missing -= bytes.byteCount
                    if missing == 0 { answered() }
                },
                onEvent: { fail("\($0)") })
        }

        func begin(_ count: Int) {
            left = count
            next()
        }

        private func next() {
            missing += line.count
            session.write(line) { outcome in
                guard case .written = outcome else { fail("\(outcome)") }
            }
        }

        private func answered() {
            left -= 1
            if left > 0 { next() } else { loop.stop() }
        }

        func close() { read?.cancel() }
    }

    /// The output of a child at a time, in chunks; less than is kept, so that no reader falls behind.
    private static let chunksAtATime = 512
    private static let chunk = 65_536

    /// usage: output COUNT DIRECTORY SESSION READERS. An operation is 64 KiB that the child, `peer flood`, writes, and
    /// that every reader gets.
    private static func output(_ count: Int, _ arguments: [String]) throws -> Measurement {
        let world = try World(arguments)
        guard arguments.count == 3, let readerCount = Int(arguments[2]), readerCount > 0 else {
            fail("COUNT DIRECTORY SESSION READERS")
        }
        let readers = Readers(world, readerCount)
        readers.readPart(chunk)
        let time = timed {
            for begin in stride(from: 0, to: count, by: chunksAtATime) {
                readers.readPart(min(chunksAtATime, count - begin) * chunk)
            }
        }
        readers.close()
        try world.close()
        return Measurement(total: time)
    }

    private final class Readers {
        private let loop: Loop
        private let session: Session
        private var reads: [OutputRead] = []
        private var received: [Int]
        private var expected = 0
        private var left = 0

        init(_ world: World, _ count: Int) {
            loop = world.loop
            session = world.session
            received = [Int](repeating: 0, count: count)
            for index in 0..<count {
                reads.append(
                    session.read(
                        from: .start,
                        onBytes: { [unowned self] _, _, bytes in took(bytes.byteCount, index) },
                        onEvent: { fail("\($0)") }))
            }
        }

        private func took(_ count: Int, _ index: Int) {
            received[index] += count
            guard received[index] == expected else { return }
            left -= 1
            if left == 0 { loop.stop() }
        }

        /// Makes the child write `byteCount` bytes, and waits until every reader has them.
        func readPart(_ byteCount: Int) {
            expected += byteCount
            left = received.count
            session.write("\(byteCount)") { outcome in
                guard case .written = outcome else { fail("\(outcome)") }
            }
            loop.run()
        }

        func close() {
            for read in reads { read.cancel() }
        }
    }
}
