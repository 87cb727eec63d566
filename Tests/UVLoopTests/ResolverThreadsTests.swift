import Libc
import TestSupport
import Testing

@testable import UVLoop

@Suite("A resolver's look-up") struct ResolverThreadsTests {
    // MARK: Bounds

    @Test("takes its thread's place until the name service returns, and no other place") func bounds() throws {
        try withLoop { loop in
            let fixture = HungResolver(threads: 2, waiting: 3, on: loop)
            let lookups = try ["a", "b", "c", "d", "e"].map { try fixture.ask($0) }
            #expect(throws: UVError.busy) { try fixture.ask("f") }
            #expect(throws: UVError.busy) {
                try fixture.resolver.name(of: .loopback4(port: 1), on: loop) { _ in }
            }
            fixture.awaitCalls(2)
            // The place of a running look-up is not given to another.
            lookups[0].cancel()
            #expect(throws: UVError.busy) { try fixture.ask("f") }
            // A waiting look-up gives up its place.
            lookups[3].cancel()
            try fixture.ask("f")
            #expect(throws: UVError.busy) { try fixture.ask("g") }
            // A name that needs no thread does not wait.
            try fixture.ask("localhost")
            fixture.names.open()
            loop.run()
            #expect(
                fixture.outcomes.sorted()
                    == ["a ECANCELED", "b ok", "c ok", "d ECANCELED", "e ok", "f ok", "localhost ok"])
            #expect(fixture.names.asked.sorted() == ["a", "b", "c", "e", "f"] && fixture.names.mostHung == 2)
        }
    }

    @Test("whose answer is on its way when the loop closes its handles is canceled") func canceledLate() throws {
        try withLoop { loop in
            let fixture = HungResolver(threads: 1, on: loop)
            for host in ["a", "b"] { try fixture.ask(host) }
            fixture.names.answer(1)
            // The thread has given the loop the first answer by then.
            fixture.awaitCalls(2)
            loop.closeHandles()
            loop.run()
            #expect(fixture.outcomes == ["a ECANCELED", "b ECANCELED"])
        }
    }

    @Test("is begun in the order of the questions") func order() throws {
        try withLoop { loop in
            let fixture = HungResolver(threads: 1, waiting: 50, on: loop)
            let hosts = (0..<50).map { "h\($0)" }
            for host in hosts { try fixture.ask(host) }
            fixture.names.open()
            loop.run()
            #expect(fixture.names.asked == hosts && fixture.outcomes == hosts.map { "\($0) ok" })
        }
    }

    @Test("has at least one thread, and may have nobody wait") func smallest() throws {
        try withLoop { loop in
            let fixture = HungResolver(threads: 0, waiting: -1, on: loop)
            try fixture.ask("a")
            #expect(throws: UVError.busy) { try fixture.ask("b") }
            fixture.names.open()
            loop.run()
            #expect(fixture.outcomes == ["a ok"])
        }
    }

    // MARK: Threads

    @Test("is on a thread that takes no signal, and the asking thread's signals stay as they were") func signals()
        throws
    {
        try withLoop { loop in
            var (before, after) = (sigset_t(), sigset_t())
            pthread_sigmask(SIG_SETMASK, nil, &before)
            let fixture = HungResolver(on: loop)
            try fixture.ask("a")
            pthread_sigmask(SIG_SETMASK, nil, &after)
            fixture.names.open()
            loop.run()
            var mask = try #require(fixture.names.lastMask)
            for signal in 1..<Int32(32) where signal != SIGKILL && signal != SIGSTOP {
                #expect(sigismember(&mask, signal) == 1, "signal \(signal)")
                #expect(sigismember(&before, signal) == sigismember(&after, signal))
            }
        }
    }

    @Test("lets go of what it held") func releases() throws {
        final class Token: Sendable {}
        weak var ofCompletion: Token?
        weak var ofService: Token?
        weak var names: FakeNames?
        struct Weak {
            weak var lookup: Lookup?
            init(_ lookup: Lookup) { self.lookup = lookup }
        }
        var lookups: [Weak] = []
        try withLoop { loop in
            do {
                let (completion, service) = (Token(), Token())
                (ofCompletion, ofService) = (completion, service)
                let fake = FakeNames(isOpen: true) { _ in
                    _ = service
                    return .failure(.unknownName)
                }
                names = fake
                let resolver = Resolver(threads: 1, service: fake.service)
                for (host, deadline) in [("a", nil), ("a", Duration.milliseconds(1)), ("localhost", nil)] {
                    lookups.append(
                        Weak(
                            try resolver.addresses(of: host, port: 80, deadline: deadline, on: loop) { _ in
                                _ = completion
                            }))
                }
                let lookup = try resolver.addresses(of: "a", port: 80, on: loop) { _ in _ = completion }
                lookup.cancel()
                lookups.append(Weak(lookup))
                loop.run()
            }
            #expect(lookups.allSatisfy { $0.lookup == nil })
            #expect(ofCompletion == nil)
            // The thread releases its objects a little later.
            try run(loop) { names == nil && ofService == nil }
        }
    }

    @Test("does not keep a process from ending") func processEnds() throws {
        try expectScenario("end-during-look-up")
    }

    @Test("that cannot have a thread is an error, and comes later when it can") func withoutThreads() throws {
        try expectScenario("look-up-without-threads")
    }

    // MARK: Many

    @Test("is its own loop's, of several that share a resolver") func sharing() throws {
        let names = FakeNames(isOpen: true)
        let resolver = Resolver(threads: 3, waiting: 10_000, service: names.service)
        let answered = Lock(0)
        let threads = try (0..<4).map { _ in try LoopThread() }
        for thread in threads {
            thread.submit { loop in
                for number in 0..<100 {
                    expectNoError { () throws(UVError) in
                        try resolver.addresses(of: "h\(number)", port: number, deadline: nil, on: loop) { outcome in
                            loop.preconditionOnThread()
                            guard case .success(let addresses) = outcome, addresses[0].port == number else { return }
                            answered.withLock { $0 += 1 }
                        }
                    }
                }
            }
        }
        try withLoop { loop in try run(loop) { answered.withLock { $0 } == 400 } }
        for thread in threads { thread.shutdown() }
        #expect(names.asked.count == 400 && names.mostHung <= 3)
    }

    @Test("ends on every loop when the resolver is closed while they ask, or when their threads are shut down")
    func closedElsewhere() throws {
        for closesResolver in [true, false] {
            let names = FakeNames()
            let resolver = Resolver(threads: 2, waiting: 10_000, service: names.service)
            let canceled = Lock(0)
            let threads = try (0..<4).map { _ in try LoopThread() }
            for thread in threads {
                for _ in 0..<50 {
                    thread.submit { loop in
                        do throws(UVError) {
                            try resolver.addresses(of: "host", port: 1, deadline: nil, on: loop) { outcome in
                                guard case .failure(.canceled) = outcome else { return }
                                canceled.withLock { $0 += 1 }
                            }
                        } catch {
                            #expect(error == .canceled && closesResolver)
                            canceled.withLock { $0 += 1 }
                        }
                    }
                }
            }
            if closesResolver {
                resolver.close()
                try withLoop { loop in try run(loop) { canceled.withLock { $0 } == 200 } }
            }
            for thread in threads { thread.shutdown() }
            #expect(canceled.withLock { $0 } == 200)
            names.open()
        }
    }

    @Test("ends exactly once, whatever happens", arguments: 0..<30) func random(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        try withLoop { loop in
            let names = FakeNames()
            let waiting = Int.random(in: 0...20, using: &random)
            let resolver = Resolver(
                threads: Int.random(in: 1...4, using: &random), waiting: waiting, service: names.service)
            var ends: [Int] = []
            var lookups: [Lookup] = []
            for step in 0..<200 {
                switch Int.random(in: 0..<100, using: &random) {
                case 0..<55:
                    let deadlines: [Duration?] = [nil, .zero, .milliseconds(3), .seconds(1000)]
                    let deadline = deadlines.randomElement(using: &random)!
                    let host = ["localhost", "h\(step)", "x\(step)"].randomElement(using: &random)!
                    let number = lookups.count
                    do throws(UVError) {
                        let lookup = try resolver.addresses(of: host, port: 1, deadline: deadline, on: loop) { _ in
                            ends[number] += 1
                            // Some completions begin or end other look-ups.
                            if number % 7 == 0 { lookups[number / 2].cancel() }
                        }
                        lookups.append(lookup)
                        ends.append(0)
                    } catch {
                        #expect(error == .busy)
                    }
                case 55..<75: lookups.randomElement(using: &random)?.cancel()
                case 75..<85: names.answer(Int.random(in: 1...5, using: &random))
                case 85..<86: loop.closeHandles()
                default: loop.run(.noWait)
                }
                #expect(ends.allSatisfy { $0 <= 1 })
            }
            switch seed % 3 {
            case 0: names.open()
            case 1: resolver.close()
            default: loop.closeHandles()
            }
            loop.run()
            #expect(ends.allSatisfy { $0 == 1 })
            names.open()
        }
    }
}
