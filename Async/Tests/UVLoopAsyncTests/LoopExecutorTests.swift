import Synchronization
import TestSupport
import Testing
import UVLoop
import UVLoopAsync

/// An actor on the loop's thread.
private actor Pinned: LoopActor {
    nonisolated let executor: LoopExecutor
    /// The executor as the runtime knows it.
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }
    private(set) var numbers: [Int] = []

    init(on executor: LoopExecutor) { self.executor = executor }

    func append(_ number: Int) { numbers.append(number) }

    /// Uses the loop, which traps on any other thread.
    func fireOnce() async -> Bool {
        await withCheckedContinuation { continuation in
            let timer = TimerHandle(on: executor.loop)
            timer.start(after: .zero) { timer in
                timer.close()
                continuation.resume(returning: true)
            }
        }
    }

    func value() async -> Int { 5 }

    /// A call to another actor of the same executor changes no thread.
    func hop(to other: Pinned) async -> Bool {
        let before = numbers.count
        _ = await other.value()
        return numbers.count == before
    }

    func run(_ body: () -> Void) { body() }

    private nonisolated let isBusy = Atomic<Bool>(false)

    /// False if another job of this actor runs at the same time.
    func isAlone() -> Bool {
        guard !isBusy.exchange(true, ordering: .acquiringAndReleasing) else { return false }
        defer { isBusy.store(false, ordering: .releasing) }
        for number in 0..<100 { append(number) }
        numbers.removeAll(keepingCapacity: true)
        return true
    }
}

@Suite("A loop's executor") struct LoopExecutorTests {
    @Test("an actor that is pinned to it runs on the loop's thread") func pinned() async throws {
        try await withExecutor { executor in
            let actor = Pinned(on: executor)
            #expect(await actor.fireOnce())
            #expect(await actor.hop(to: Pinned(on: executor)))
            let isOnThread = try await executor.run { _ in
                actor.assumeIsolated { _ in executor.isIsolatingCurrentContext() == true }
            }
            #expect(isOnThread)
            #expect(executor.isIsolatingCurrentContext() == false)
        }
    }

    @Test("jobs run in the order in which they were enqueued") func order() async throws {
        try await withExecutor { executor in
            let actor = Pinned(on: executor)
            try await executor.run { _ in
                for number in 0..<10_000 { Task { await actor.append(number) } }
            }
            try await until("all have run") { await actor.numbers.count == 10_000 }
            // Tasks that are made in order on one thread; those that begin elsewhere may overtake each other.
            #expect(await actor.numbers.sorted() == Array(0..<10_000))
        }
    }

    @Test("a task that prefers it runs there, and so do its children") func preferred() async throws {
        try await withExecutor { executor in
            let places = await withTaskExecutorPreference(executor) {
                await withTaskGroup(of: Bool?.self) { group in
                    for _ in 0..<100 {
                        group.addTask {
                            await Task.yield()
                            return executor.isIsolatingCurrentContext()
                        }
                    }
                    return await group.reduce(into: []) { $0.append($1) }
                }
            }
            #expect(places == Array(repeating: true, count: 100))
        }
    }

    @Test("many threads enqueue at once, and every job runs once") func manyThreads() async throws {
        try await withExecutor { executor in
            let actor = Pinned(on: executor)
            await withTaskGroup(of: Void.self) { group in
                for task in 0..<100 {
                    group.addTask {
                        for number in 0..<100 { await actor.append(task * 100 + number) }
                    }
                }
            }
            #expect(await Set(actor.numbers).count == 10_000)
            #expect(await actor.numbers.count == 10_000)
        }
    }

    @Test("what is under way ends at a shutdown, and what goes on later does so without the loop") func shutdown()
        async throws
    {
        let executor = try LoopExecutor()
        let actor = Pinned(on: executor)
        let (signal, release) = AsyncStream.makeStream(of: Void.self)
        let late = Task {
            for await _ in signal {}
            await actor.append(1)
            return await actor.numbers
        }
        let sleeper = Task { try await executor.clock.sleep(until: executor.clock.now.advanced(by: .seconds(1000))) }
        try await until("it sleeps") {
            try await executor.run { loop in !loop.openHandles.isEmpty }
        }
        await executor.shutdown()
        await #expect(throws: CancellationError.self) { try await sleeper.value }
        release.finish()
        #expect(await late.value == [1])
        await #expect(throws: UVError.canceled) { try await executor.run { _ in } }
        #expect(!executor.submit { _ in })
        for try await signal in executor.signals(.user1) { Issue.record("\(signal)") }
        await executor.shutdown()
    }

    @Test("of several shutdowns at once each waits for the end, and callbacks of the loop are the actors' until then")
    func shutdowns() async throws {
        for _ in 0..<20 {
            let executor = try LoopExecutor()
            let actor = Pinned(on: executor)
            try await executor.run { loop in
                for number in 0..<100 {
                    let timer = TimerHandle(on: loop)
                    timer.onCanceled = { actor.assumeIsolated { $0.append(number) } }
                    timer.start(after: .seconds(1000)) { _ in }
                }
            }
            await withTaskGroup(of: Bool.self) { group in
                for _ in 0..<4 {
                    group.addTask {
                        await executor.shutdown()
                        return executor.submit { _ in }
                    }
                }
                for await isTaken in group { #expect(!isTaken) }
            }
            #expect(await actor.numbers.count == 100)
        }
    }

    @Test("an actor's jobs run one at a time while the executor ends") func oneAtATime() async throws {
        for _ in 0..<100 {
            let executor = try LoopExecutor()
            let actor = Pinned(on: executor)
            let hasEnded = Counter()
            await withTaskGroup(of: Bool.self) { group in
                for _ in 0..<8 {
                    group.addTask {
                        var areAlone = true
                        while await hasEnded.value == 0 {
                            let isAlone = await actor.isAlone()
                            areAlone = areAlone && isAlone
                        }
                        return areAlone
                    }
                }
                await executor.shutdown()
                await hasEnded.add()
                for await areAlone in group { #expect(areAlone) }
            }
        }
    }

    @Test("a hundred tasks that outlive the loop go on one after the other") func late() async throws {
        let executor = try LoopExecutor()
        let actor = Pinned(on: executor)
        await executor.shutdown()
        await withTaskGroup(of: Void.self) { group in
            for task in 0..<100 {
                group.addTask {
                    for number in 0..<10 { await actor.append(task * 10 + number) }
                }
            }
        }
        #expect(await actor.numbers.sorted() == Array(0..<1000))
    }

    @Test("a canceled sleep ends at once, and the clock's time goes on") func clock() async throws {
        try await withExecutor { executor in
            let clock = executor.clock
            let start = clock.now
            try await clock.sleep(for: .milliseconds(5))
            #expect(start.duration(to: clock.now) >= .milliseconds(5))
            let sleeper = Task { try await clock.sleep(for: .seconds(1000)) }
            sleeper.cancel()
            await #expect(throws: CancellationError.self) { try await sleeper.value }
            let other = Task { try await clock.sleep(for: .seconds(1000)) }
            try await until("it sleeps") { try await executor.run { loop in !loop.openHandles.isEmpty } }
            other.cancel()
            await #expect(throws: CancellationError.self) { try await other.value }
        }
    }
}
