import Libc
import Synchronization
import TestSupport
import Testing

@testable import UVKeeper

/// Whatever closes first, in whatever order, in callbacks and between them: every completion comes exactly once.
///
/// Each seed is one life of a loop: operations of every kind, at random, with the loop's handles, the manager or the
/// thread closed somewhere among them.
@Suite struct CompletionOrderTests {
    @Test("every completion comes once, whatever closes first on a host's own loop", arguments: 0..<8)
    func ownLoop(_ group: UInt64) throws {
        var operations = 0
        for seed in group * 40..<group * 40 + 40 {
            try withTemporaryDirectory { directory in
                let loop = try Loop()
                let driver = try CompletionDriver(seed: seed, in: directory, on: loop)
                for _ in 0..<24 {
                    driver.act()
                    guard driver.chance(40) else { continue }
                    // Something to wait for, since there may be nothing else.
                    let tick = TimerHandle(on: loop)
                    tick.start(after: .milliseconds(1), repeating: .milliseconds(1)) { _ in }
                    loop.run(driver.chance(50) ? .once : .noWait)
                    tick.close()
                }
                driver.isEnding = true
                if driver.chance(50) { driver.manager.close() }
                if driver.chance(30) { loop.run(.noWait) }
                loop.closeHandles()
                while true {
                    do {
                        try loop.close()
                        break
                    } catch {
                        loop.run(.once)
                        loop.closeHandles()
                    }
                }
                // Harmless after the loop's end.
                driver.manager.close()
                driver.end()
                operations += driver.operations.count
            }
        }
        #expect(operations > 500)
    }

    @Test("every completion has come when a loop's thread has shut down", arguments: 0..<4)
    func ownThread(_ group: UInt64) throws {
        for seed in group * 20..<group * 20 + 20 {
            try withTemporaryDirectory { directory in
                let thread = try LoopThread()
                let slot = Slot()
                thread.submit { loop in
                    expectNoError { slot.driver = try CompletionDriver(seed: seed, in: directory, on: loop) }
                }
                for number in 0..<24 {
                    thread.submit { _ in slot.driver?.act() }
                    // Some jobs share a tick, some do not.
                    if (seed &* 31 &+ UInt64(number)) % 3 == 0 { sched_yield() }
                }
                thread.shutdown()
                let driver = try #require(slot.driver)
                driver.manager.close()
                driver.end()
            }
        }
    }

    /// Used on the loop's thread, and after the thread has been joined.
    private final class Slot: @unchecked Sendable { var driver: CompletionDriver? }
}

/// Does things at random, and counts their completions.
final class CompletionDriver {
    struct Operation {
        let name: String
        var completions = 0
    }

    let manager: KeeperManager
    private(set) var operations: [Operation] = []
    /// Completions do nothing new any more.
    var isEnding = false
    private let loop: Loop
    private let seed: UInt64
    private let directory: String
    private var state: UInt64
    private var started: [ObjectIdentifier: DetachedProcess] = [:]
    private var processes: [DetachedProcess] = []
    private var clients: [PipeStream] = []
    private static let maximumOperations = 80

    init(seed: UInt64, in directory: String, on loop: Loop) throws {
        self.seed = seed
        self.directory = directory
        self.loop = loop
        state = seed &* 0x9E37_79B9_7F4A_7C15 &+ 1
        var options = KeeperManager.Options()
        options.sessionsDirectory = directory + "/s"
        // Sessions are numbers of seconds.
        options.sidecar = ["sleep"]
        manager = try KeeperManager(on: loop, options: options)
        for (name, behaviour) in [("confirm", 0), ("drop", 1), ("hold", 2)] {
            let listener = try PipeListener(bindingTo: "\(directory)/\(name)", on: loop)
            try listener.listen { [unowned self] _, result in
                if case .success(let client) = result { accepted(client, behaviour) }
            }
        }
        // Nobody accepts, and one client fills it.
        let full = try PipeListener(bindingTo: directory + "/full", on: loop)
        try full.listen(backlog: 0) { _, _ in }
        full.pause()
        while case .accepting(.some) = SocketProbe(full.path) {}
    }

    // MARK: Chance

    private func number(below limit: Int) -> Int {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Int((state >> 33) % UInt64(limit))
    }

    func chance(_ percent: Int) -> Bool { number(below: 100) < percent }

    // MARK: What is done

    func act() {
        guard operations.count < CompletionDriver.maximumOperations else { return }
        switch number(below: 100) {
        case 0..<40: write()
        case 40..<50: connect()
        case 50..<60: list()
        case 60..<66: spawn()
        case 66..<72: detach()
        case 72..<78: wait()
        case 78..<84: kill()
        case 84..<88: stop()
        case 88..<93: close()
        default: work()
        }
    }

    private func begin(_ name: String) -> () -> Void {
        let index = operations.count
        operations.append(Operation(name: name))
        return { [self] in
            operations[index].completions += 1
            guard !isEnding else { return }
            if chance(25) { act() }
            if chance(4) { close() }
        }
    }

    private func write() {
        let names = ["confirm", "drop", "hold", "full", "missing"]
        let name = names[number(below: names.count)]
        let path = chance(5) ? "" : "\(directory)/\(name)"
        for _ in 0...number(below: 3) {
            let done = begin("write to \(name)")
            let line = [UInt8](repeating: 65, count: chance(20) ? 300_000 : 10)
            manager.writeRPC(line, toSocketAt: path) { _ in done() }
        }
    }

    private func connect() {
        let name = ["confirm", "drop", "hold", "full", "missing"][number(below: 5)]
        let done = begin("connection to \(name)")
        let finishes = chance(80)
        expectNoError { () throws(UVError) in
            _ = try KeeperConnection(
                to: "\(directory)/\(name)", on: loop,
                onOpen: { [self] connection in
                    if chance(10) { loop.closeHandles() }
                    connection.write(Array("x\n".utf8))
                    if finishes { connection.finish() }
                }, onEnd: { _, _ in done() })
        }
    }

    private func list() {
        switch number(below: 4) {
        case 0:
            let done = begin("list")
            manager.listKeepers { _ in done() }
        case 1:
            let done = begin("discovery")
            manager.discoverExistingKeepers { _ in done() }
        case 2:
            let done = begin("sweep")
            manager.sweepLogs { _ in done() }
        default:
            let done = begin("stop of nobody")
            manager.stop("nobody") { _ in done() }
        }
    }

    private func spawn() {
        let readiness = [KeeperManager.Readiness.started, .accepting, .settled][number(below: 3)]
        let done = begin("spawn \(readiness)")
        let deadline = chance(20) ? Duration.seconds(Int64.max) : .milliseconds(number(below: 30))
        let (id, options) = ("\(1000 + number(below: 3))", SpawnOptions(readiness: readiness, deadline: deadline))
        if chance(30) {
            manager.open(id, in: directory, options) { _ in done() }
        } else {
            manager.spawnKeeper(for: id, in: directory, options) { _ in done() }
        }
        for process in manager.processes.values { started[ObjectIdentifier(process)] = process }
    }

    private func detach() {
        expectNoError { () throws(SpawnError) in
            let process = try loop.spawnDetached(
                .init(executable: chance(30) ? "true" : "sleep", arguments: ["1000"], workingDirectory: directory))
            started[ObjectIdentifier(process)] = process
            processes.append(process)
        }
        wait()
    }

    private func wait() {
        guard !processes.isEmpty else { return }
        let process = processes[number(below: processes.count)]
        let done = begin("wait")
        if chance(50) {
            process.waitForNoCrash(window: chance(20) ? .seconds(Int64.max) : .milliseconds(number(below: 20))) { _ in
                done()
            }
        } else {
            let answer = chance(10)
            process.waitForReady(probe: { answer }, deadline: .milliseconds(number(below: 20))) { _ in done() }
        }
        if chance(10) { process.close() }
    }

    private func kill() {
        guard !processes.isEmpty else { return }
        let done = begin("kill")
        let process = processes[number(below: processes.count)]
        let grace = chance(20) ? Duration.seconds(Int64.max) : .milliseconds(number(below: 20))
        Processes.killProcess(process.isRunning ? process.pid : 0, group: true, grace: grace, on: loop) { _ in done() }
    }

    private func stop() {
        let done = begin("stop")
        manager.stop("\(1000 + number(below: 3))", grace: .milliseconds(number(below: 20))) { _ in done() }
    }

    private func work() {
        let done = begin("work")
        expectNoError { () throws(UVError) in try loop.queueWork({}) { done() } }
    }

    private func close() {
        switch number(below: 10) {
        case 0..<5: loop.closeHandles()
        case 5..<7: manager.close()
        case 7: loop.stop()
        default:
            loop.closeHandles()
            manager.close()
        }
    }

    private func accepted(_ client: PipeStream, _ behaviour: Int) {
        clients.append(client)
        switch behaviour {
        case 0:
            expectNoError { () throws(UVError) in
                try client.readStart(onBytes: { _, _ in }, onEnd: { stream, _ in stream.close() })
            }
        case 1: client.close()
        default: break
        }
    }

    // MARK: What has come of it

    func end() {
        for (index, operation) in operations.enumerated() where operation.completions != 1 {
            Issue.record("seed \(seed): \(index), \(operation.name): \(operation.completions) completions")
        }
        // Whose end was not seen is not collected, and its number is its own.
        for pid in started.values.filter(\.isRunning).map(\.pid) {
            var status: CInt = 0
            guard waitpid(pid, &status, WNOHANG) == 0 else { continue }
            expectNoError { () throws(UVError) in try Processes.send(.kill, to: pid) }
            _ = waitpid(pid, &status, 0)
        }
    }
}
