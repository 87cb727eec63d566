import Libc
import TestSupport
import Testing

@testable import UVKeeper

/// A manager on a loop of its own, in a directory of its own, with whatever keepers and processes a test starts.
///
/// Tests read as straight lines: `outcome`, `spawn` and the like run the loop until the callback has come. At the end
/// every process is killed and gone, every handle closed, and the directory removed.
final class World {
    let loop: Loop
    /// The temporary directory: children write here.
    let root: String
    let manager: KeeperManager
    private var processes: [(pid: Int32, startTime: Duration?)] = []
    private var children: [ChildProcess] = []
    private var managers: [KeeperManager] = []
    private var others: [Handle] = []
    /// The longest time between two turns of the loop, which is due every few milliseconds while the test waits.
    private(set) var longestPause = Duration.zero
    private var lastTurn = SystemClock.monotonicTime

    /// Only root can become another user.
    static var isRoot: Bool { geteuid() == 0 }
    static var hasNode: Bool { ExecutableSearch.find("node", path: ProcessEnvironment.current["PATH"]) != nil }

    init(_ loop: Loop, _ root: String, _ configure: (inout KeeperManager.Options) -> Void) throws {
        self.loop = loop
        self.root = root
        var options = KeeperManager.Options()
        options.sessionsDirectory = root + "/s"
        options.sidecar = [BuiltProducts.sidecar]
        configure(&options)
        manager = try KeeperManager(on: loop, options: options)
        managers = [manager]
    }

    var paths: KeeperPaths { manager.paths }

    /// Another manager of the same directory: a restarted server.
    func otherManager(_ configure: (inout KeeperManager.Options) -> Void = { _ in }) throws -> KeeperManager {
        var options = manager.options
        configure(&options)
        let other = try KeeperManager(on: loop, options: options)
        managers.append(other)
        return other
    }

    /// A manager that the caller closes.
    func unownedManager() throws -> KeeperManager { try KeeperManager(on: loop, options: manager.options) }

    // MARK: Waiting

    /// Runs the loop until `start`'s completion has come, which must be after `start` has returned, and only once.
    func result<Value>(
        sourceLocation: SourceLocation = #_sourceLocation,
        _ start: (@escaping (Value) -> Void) throws -> Void,
    ) throws -> Value {
        var values: [Value] = []
        try start { value in
            values.append(value)
            #expect(values.count == 1, "completed twice", sourceLocation: sourceLocation)
        }
        #expect(values.isEmpty, "completed inside the call", sourceLocation: sourceLocation)
        try eventually(sourceLocation: sourceLocation) { !values.isEmpty }
        return try #require(values.first, sourceLocation: sourceLocation)
    }

    /// Runs the loop until `condition` holds.
    func eventually(
        sourceLocation: SourceLocation = #_sourceLocation,
        _ condition: () throws -> Bool,
    ) throws {
        let deadline = SystemClock.monotonicTime + hangTimeout
        let timer = TimerHandle(on: loop)
        timer.start(after: .milliseconds(2), repeating: .milliseconds(2)) { _ in }
        defer { timer.close() }
        while try !condition() {
            guard SystemClock.monotonicTime < deadline else { throw TooLate(sourceLocation: sourceLocation) }
            loop.run(.once)
            let turn = SystemClock.monotonicTime
            longestPause = max(longestPause, turn - lastTurn)
            lastTurn = turn
        }
    }

    /// Runs the loop until a timer of its own has fired: one of the same loop that is due later cannot have come before it.
    func pass(_ time: Duration) throws {
        var isOver = false
        let timer = owned(TimerHandle(on: loop))
        timer.start(after: time) { timer in
            isOver = true
            timer.close()
        }
        try eventually { isOver }
    }

    /// Runs the loop for a while: for what must not happen.
    func run(for time: Duration) throws {
        let end = SystemClock.monotonicTime + time
        try eventually { SystemClock.monotonicTime >= end }
    }

    struct TooLate: Error { let sourceLocation: SourceLocation }

    // MARK: Keepers

    @discardableResult
    func trySpawn(
        _ id: String,
        by manager: KeeperManager? = nil,
        in directory: String? = nil,
        environment: [String: String] = [:],
        command: [String]? = nil,
        arguments: [String]? = nil,
        captures: Bool? = nil,
        readiness: KeeperManager.Readiness = .accepting,
        deadline: Duration = hangTimeout,
    ) throws -> Result<SpawnedKeeper, KeeperError> {
        var variables = ProcessEnvironment.current
        for (name, value) in environment { variables[name] = value }
        let options = SpawnOptions(
            environment: variables,
            command: command ?? (arguments == nil ? ["sh", "-c", "exec cat > \(id).out"] : nil),
            arguments: arguments, output: captures.map { $0 ? .captured : .discarded }, readiness: readiness,
            deadline: deadline)
        let result = try result { done in
            (manager ?? self.manager).spawnKeeper(for: id, in: directory ?? root, options, completion: done)
        }
        if case .success(let keeper) = result { own(keeper.pid, keeper.process.startTime) }
        return result
    }

    func spawn(_ id: String, command: [String]? = nil, environment: [String: String] = [:]) throws -> SpawnedKeeper {
        try trySpawn(id, environment: environment, command: command).get()
    }

    func spawnError(
        _ id: String, in directory: String? = nil, command: [String]? = nil,
        environment: [String: String] = [:], readiness: KeeperManager.Readiness = .accepting,
        deadline: Duration = hangTimeout
    ) throws -> KeeperError? {
        switch try trySpawn(
            id, in: directory, environment: environment, command: command, readiness: readiness, deadline: deadline)
        {
        case .success: nil
        case .failure(let error): error
        }
    }

    func discover(_ manager: KeeperManager? = nil) throws -> KeeperDiscovery {
        try result { (manager ?? self.manager).discoverExistingKeepers(completion: $0) }.get()
    }

    /// What becomes of a line, on a machine of any speed; see ``settled(_:_:retry:)``.
    func outcome(_ line: String, _ id: String) throws -> WriteOutcome { try outcome(Array(line.utf8), id) }

    /// What becomes of a line, as above.
    func outcome(_ line: [UInt8], _ id: String) throws -> WriteOutcome {
        let write = { try self.result { self.manager.writeRPC(line, to: id, completion: $0) } }
        return try settled(try write(), id, retry: write)
    }

    /// What an outcome comes to when the machine has had the time it needs.
    ///
    /// The time of an attempt tells a keeper that is frozen. On a starved machine it can pass before one that runs has had its
    /// turn. Then a line that was refused is written again, and one that is unknown is written if the keeper, which still
    /// runs, acknowledges it later. Everything else is what it is, and so is every outcome of a keeper that is stopped or
    /// gone.
    func settled(
        _ outcome: WriteOutcome, _ id: String, retry: (() throws -> WriteOutcome)? = nil
    ) throws -> WriteOutcome {
        var outcome = outcome
        while case .refused(.timedOut) = outcome, let retry, try isRunning(id) { outcome = try retry() }
        guard case .unknown(.timedOut) = outcome, try isRunning(id) else { return outcome }
        let queue = manager.session(try session(id)).lines
        try eventually { try queue.lines.isEmpty(.sent) || !isRunning(id) }
        return try isRunning(id) ? .written : outcome
    }

    /// A session's keeper lives and is not stopped.
    private func isRunning(_ id: String) throws -> Bool {
        guard let pid = try manager.status(of: id)?.keeperPID else { return false }
        return ProcessFigures(of: pid).isStopped == false && Processes.liveness(of: pid) == .alive
    }

    func outcome(_ line: String, at path: String) throws -> WriteOutcome {
        try result { manager.writeRPC(line, toSocketAt: path, completion: $0) }
    }

    // MARK: Processes

    /// Has the process killed at the end of the test.
    func own(_ pid: Int32, _ startTime: Duration? = nil) {
        processes.append((pid, startTime ?? ProcessDetails(of: pid)?.startTime))
    }

    /// Starts a process that this test's process is the parent of.
    @discardableResult
    func start(_ command: [String], detached: Bool = false) throws -> ChildProcess {
        let child = try ChildProcess(
            .init(
                executable: command[0], arguments: Array(command.dropFirst()), workingDirectory: root,
                flags: detached ? .detached : []), on: loop
        ) { _, _ in }
        child.unref()
        children.append(child)
        own(child.pid)
        return child
    }

    /// A handle to be closed at the end.
    func owned<Owned: Handle>(_ handle: Owned) -> Owned {
        others.append(handle)
        return handle
    }

    /// Ends the child of a keeper that is stopped, and so does not notice.
    func killChildUnnoticed(by keeper: SpawnedKeeper) throws {
        let child = try childPID(keeper.session.rawValue)
        try Processes.send(.stop, to: keeper.pid)
        try Processes.send(.kill, to: child)
        try eventually { Processes.liveness(of: child) == .gone }
    }

    func childPID(_ id: String) throws -> Int32 {
        let path = paths.childPID(for: try session(id))
        try eventually { exists(path) }
        return try #require(Int32(String(decoding: try Files.read(path, limit: 20), as: UTF8.self)))
    }

    func end() throws {
        for name in try sessionFiles() {
            guard name.hasSuffix(".pi-pid"), let file = try? Files.read(paths.directory + "/" + name, limit: 20),
                let pid = Int32(String(decoding: file, as: UTF8.self)), pid > 1, pid != CurrentProcess.id,
                let parent = ProcessDetails(of: pid)?.parent,
                parent == 1 || processes.contains(where: { $0.pid == parent })
            else { continue }
            own(pid)
        }
        for process in processes where isThere(process) {
            do throws(UVError) { try Processes.send(.kill, to: process.pid) } catch { continue }
        }
        try eventually { !processes.contains(where: isThere) && !children.contains(where: \.isRunning) }
        for manager in managers { manager.close() }
        for handle in others { handle.close() }
    }

    private func isThere(_ process: (pid: Int32, startTime: Duration?)) -> Bool {
        Processes.liveness(of: process.pid) != .gone && ProcessDetails(of: process.pid)?.startTime == process.startTime
    }
}

/// Runs `body` in a world of its own and takes it down, failed or not.
func withWorld(
    sourceLocation: SourceLocation = #_sourceLocation,
    options configure: (inout KeeperManager.Options) -> Void = { _ in },
    _ body: (World) throws -> Void
) throws {
    try withTemporaryDirectory { root in
        try withLoop(sourceLocation: sourceLocation) { loop in
            let world = try World(loop, root, configure)
            var failure: (any Error)?
            do { try body(world) } catch { failure = error }
            do { try world.end() } catch { failure = failure ?? error }
            if let failure { Issue.record(failure, sourceLocation: sourceLocation) }
        }
    }
}
