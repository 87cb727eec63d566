import TestSupport
import Testing

@testable import UVLoop

@Suite("A look-up that does not end by itself") struct ResolverEndingTests {
    // MARK: Cancel

    @Test("that a thread works on is canceled on the next tick, and the thread goes on alone") func cancelRunning()
        throws
    {
        try withLoop { loop in
            let fixture = HungResolver(on: loop)
            let lookup = try fixture.ask("a")
            fixture.awaitCalls(1)
            lookup.cancel()
            #expect(fixture.outcomes.isEmpty && loop.isAlive)
            loop.run(.noWait)
            #expect(fixture.outcomes == ["a ECANCELED"])
            lookup.cancel()
            loop.run()
            #expect(fixture.outcomes.count == 1)
            #expect(fixture.names.hung == 1, "and the loop has ended")
            // The late answer is dropped.
            try fixture.ask("b")
            fixture.names.open()
            loop.run()
            #expect(fixture.outcomes == ["a ECANCELED", "b ok"])
        }
    }

    @Test("that waits is never begun") func cancelWaiting() throws {
        try withLoop { loop in
            let fixture = HungResolver(threads: 1, on: loop)
            try fixture.ask("a")
            fixture.awaitCalls(1)
            let lookup = try fixture.ask("b")
            try fixture.ask("c")
            lookup.cancel()
            fixture.names.open()
            loop.run()
            #expect(fixture.outcomes.sorted() == ["a ok", "b ECANCELED", "c ok"])
            #expect(fixture.names.asked == ["a", "c"])
        }
    }

    @Test("and that needs no thread is canceled too, before its completion and not after") func cancelLiteral() throws {
        try withLoop { loop in
            let fixture = HungResolver(on: loop)
            let early = try fixture.ask("127.0.0.1")
            let late = try fixture.ask("localhost")
            early.cancel()
            early.cancel()
            loop.run()
            late.cancel()
            loop.run()
            #expect(fixture.outcomes == ["127.0.0.1 ECANCELED", "localhost ok"])
        }
    }

    @Test("may be canceled by its own completion, and by another's") func cancelWithin() throws {
        try withLoop { loop in
            let fixture = HungResolver(on: loop)
            let other = try fixture.ask("b")
            var own: Lookup?
            own = try fixture.resolver.addresses(of: "a", port: 80, deadline: .milliseconds(1), on: loop) { _ in
                own?.cancel()
                other.cancel()
            }
            loop.run()
            own = nil
            #expect(fixture.outcomes == ["b ECANCELED"])
        }
    }

    // MARK: Deadline

    @Test("ends at its deadline, begun or not, while the name service hangs") func deadline() throws {
        try withLoop { loop in
            let fixture = HungResolver(threads: 1, on: loop)
            try fixture.ask("a", deadline: .milliseconds(1))
            fixture.awaitCalls(1)
            try fixture.ask("b", deadline: .zero)
            try fixture.ask("c", deadline: .seconds(-1))
            loop.run()
            #expect(fixture.outcomes.sorted() == ["a ETIMEDOUT", "b ETIMEDOUT", "c ETIMEDOUT"])
            #expect(fixture.names.asked == ["a"] && fixture.names.hung == 1)
        }
    }

    @Test("has the longest deadline that there is, and none") func longDeadline() throws {
        try withLoop { loop in
            let fixture = HungResolver(on: loop)
            try fixture.ask("a", deadline: .seconds(Int64.max))
            try fixture.ask("b", deadline: nil)
            fixture.awaitCalls(2)
            fixture.names.open()
            loop.run()
            #expect(fixture.outcomes.sorted() == ["a ok", "b ok"])
        }
    }

    // MARK: The end of the loop or the resolver

    @Test("is canceled when the loop closes its handles, and its answer may come after the loop's end")
    func loopCloses() throws {
        var fixture: HungResolver?
        try withLoop { loop in
            let asked = HungResolver(threads: 1, on: loop)
            fixture = asked
            try asked.ask("a")
            try asked.ask("b")
            asked.awaitCalls(1)
            #expect(throws: LoopStillOpen.self) { try loop.close() }
            loop.closeHandles()
            #expect(asked.outcomes.isEmpty)
            loop.run()
            #expect(
                asked.outcomes == ["a ECANCELED", "b ECANCELED"] || asked.outcomes == ["b ECANCELED", "a ECANCELED"])
        }
        let names = try #require(fixture).names
        #expect(names.hung == 1)
        names.open()
        fixture = nil
        try withLoop { loop in try run(loop) { names.hung == 0 } }
        #expect(names.asked == ["a"])
    }

    @Test("ends once if it is canceled, answered or timed out while its loop closes handles") func closesTwice() throws
    {
        for way in 0..<3 {
            try withLoop { loop in
                let fixture = HungResolver(threads: 1, on: loop)
                let lookup = try fixture.ask("a", deadline: way == 2 ? .milliseconds(1) : nil)
                if way != 2 { fixture.awaitCalls(1) }
                if way == 0 { lookup.cancel() }
                if way == 1 { fixture.names.open() }
                loop.closeHandles()
                if way == 0 { lookup.cancel() }
                loop.run()
                #expect(fixture.outcomes.count == 1)
            }
        }
    }

    @Test("is canceled when the resolver is closed, which refuses more") func resolverCloses() throws {
        try withLoop { loop in
            let fixture = HungResolver(threads: 1, on: loop)
            try fixture.ask("a")
            fixture.awaitCalls(1)
            try fixture.ask("b")
            fixture.resolver.close()
            fixture.resolver.close()
            #expect(fixture.outcomes.isEmpty)
            loop.run()
            #expect(fixture.outcomes == ["b ECANCELED", "a ECANCELED"])
            for host in ["c", "localhost"] { #expect(throws: UVError.canceled) { try fixture.ask(host) } }
            #expect(throws: UVError.canceled) {
                try fixture.resolver.name(of: .loopback4(port: 1), on: loop) { _ in }
            }
            fixture.names.open()
            loop.run()
            #expect(fixture.outcomes.count == 2 && fixture.names.asked == ["a"])
        }
    }

    @Test("is not begun any more once the resolver is closed") func closedBeforeItsTurn() throws {
        let answered = Lock<[String]>([])
        weak var names: FakeNames?
        try withLoop { loop in
            do {
                let fake = FakeNames { host in
                    answered.withLock { $0.append(host) }
                    return .failure(.unknownName)
                }
                names = fake
                let resolver = Resolver(threads: 1, service: fake.service)
                for host in ["a", "b"] { try resolver.addresses(of: host, port: 80, on: loop) { _ in } }
                fake.awaitCall()
                resolver.close()
                fake.open()
            }
            // The thread ends before this loop learns of anything.
            try withLoop { other in try run(other) { names == nil } }
        }
        #expect(answered.withLock { $0 } == ["a"])
    }
}
