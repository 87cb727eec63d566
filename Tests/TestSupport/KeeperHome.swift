public import Testing
public import UVLoop

/// A temporary home for keepers, with a loop that drives the test.
public final class KeeperHome {
    /// The stand-in for the user's home directory.
    public let base: String
    /// The sessions directory in it.
    public let directory: String
    /// The test's loop.
    public let loop: Loop
    fileprivate var keepers: [KeeperProcess] = []

    /// The error of a test that waited in vain.
    public struct ConditionNotMet: Error, CustomStringConvertible {
        /// The condition, and the logs of the keepers.
        public let description: String
    }

    fileprivate init(base: String) throws {
        self.base = base
        directory = "\(base)/.pi/dashboard/sessions"
        loop = try Loop()
    }

    /// Starts a keeper without waiting.
    ///
    /// - Parameters:
    ///   - child: the command of the child, for `/bin/sh -c`; `$HOME` is ``base``.
    ///   - settings: variables for the keeper; nil removes a default one.
    ///   - shell: a command for `/bin/sh -c` that runs instead of the keeper; `"$@"` in it is the keeper's command
    ///     line.
    public func start(
        _ session: String = "s",
        child: String = "exec cat >>$HOME/out",
        arguments: [String]? = nil,
        settings: [String: String?] = [:],
        shell: String? = nil,
    ) throws -> KeeperProcess {
        let keeper = try KeeperProcess(
            session, home: self, child: child, arguments: arguments ?? [session], settings: settings, shell: shell)
        keepers.append(keeper)
        return keeper
    }

    /// Starts a keeper and waits until its child has started and its socket exists.
    public func startReady(
        _ session: String = "s", child: String = "exec cat >>$HOME/out", settings: [String: String?] = [:],
        shell: String? = nil,
    ) throws -> KeeperProcess {
        let keeper = try start(session, child: child, settings: settings, shell: shell)
        try until("keeper \(session) listens") {
            keeper.exitStatus != nil || keeper.listens
        }
        guard keeper.exitStatus == nil else {
            throw ConditionNotMet(description: "the keeper ended: \(keeper.log) \(keeper.standardError)")
        }
        return keeper
    }

    /// Runs the loop until `condition` holds.
    public func until(
        _ what: String, timeout: Duration = hangTimeout, _ condition: () throws -> Bool
    ) throws {
        let deadline = SystemClock.monotonicTime + timeout
        let timer = TimerHandle(on: loop)
        defer { timer.close() }
        timer.start(after: .milliseconds(2), repeating: .milliseconds(2)) { _ in }
        while try !condition() {
            guard SystemClock.monotonicTime < deadline else {
                let logs = keepers.prefix(3).map { "\($0.log)\($0.standardError)" }
                throw ConditionNotMet(description: "not within \(timeout): \(what); logs: \(logs)")
            }
            loop.run(.once)
        }
    }

    /// Runs the loop for a time in which something must not happen.
    public func run(for time: Duration) throws {
        let end = SystemClock.monotonicTime + time
        try until("\(time) pass") { SystemClock.monotonicTime >= end }
    }

    /// Runs the loop until a keeper has nothing to do: it sleeps, and has not woken up between two looks.
    ///
    /// On a system that does not tell, waits for a fixed time.
    public func untilAtRest(_ keeper: KeeperProcess) throws {
        guard keeper.figures.isAsleep != nil else { return try run(for: .milliseconds(200)) }
        var last: Int?
        try until("keeper \(keeper.session) is at rest") {
            let waits = keeper.figures.isAsleep == true ? keeper.figures.waits : nil
            defer { last = waits }
            return waits != nil && waits == last
        }
    }

    /// Continues a keeper's child, once the child has stopped itself.
    public func thawChild(of keeper: KeeperProcess) throws {
        let child = keeper.childPID!
        try until("the child of \(keeper.session) stops") { ProcessFigures(of: child).isStopped ?? true }
        try Processes.send(.continue, to: child)
    }

    /// Waits for the end of a keeper that ends by itself.
    public func runToEnd(_ keeper: KeeperProcess) throws -> ProcessExit {
        try until("the keeper ends") { keeper.exitStatus != nil && keeper.hasClosedStandardError }
        return keeper.exitStatus!
    }

    /// Returns `count` clients that have begun to write the same bytes, and go on while the loop runs.
    public func clients(_ count: Int, of keeper: KeeperProcess, writing bytes: [UInt8]) throws -> [KeeperClient] {
        try (0..<count).map { _ in
            let client = try KeeperClient(to: keeper.socket, on: loop)
            client.write(bytes)
            return client
        }
    }

    /// Sends bytes on a connection of their own; returns when the keeper has closed it.
    public func send(_ bytes: [UInt8], to keeper: KeeperProcess) throws {
        let client = try KeeperClient(to: keeper.socket, on: loop)
        client.write(bytes)
        client.finish()
        try until("the keeper closes the connection") { client.isEnded }
    }

    /// Sends a text, as above.
    public func send(_ text: String, to keeper: KeeperProcess) throws { try send(Array(text.utf8), to: keeper) }

    /// Returns the bytes of a file below ``base``; nil if it does not exist.
    public func bytes(_ name: String = "out") -> [UInt8]? {
        try? Files.read("\(base)/\(name)", limit: .max)
    }

    /// Returns the text of a file below ``base``; nil if it does not exist.
    public func text(_ name: String = "out") -> String? { bytes(name).map { String(decoding: $0, as: UTF8.self) } }

    /// The size of `out` in bytes.
    public var outputSize: Int { (try? Files.status(of: "\(base)/out")).map { Int($0.size) } ?? 0 }

    /// The names in the sessions directory, without logs and records, which stay when a session ends. The name of the
    /// reserve for a last record is given without its epoch.
    public var names: [String] {
        ((try? Files.names(inDirectory: directory)) ?? []).filter {
            !$0.hasSuffix(".log") && !$0.hasSuffix(".session.json")
        }.map { name in
            name.hasSuffix(".reserve") ? "\(name.dropLast(25)).reserve" : name
        }.sorted()
    }

    /// The value of ``names`` while one session lives.
    public static let liveNames = ["s.ctl.sock", "s.reserve", "s.rpc.sock", "s.rpc.sock.pi-pid", "s.rpc.sock.pid"]

    /// Ends everything that was started, and reports whatever outlives its keeper.
    fileprivate func cleanUp(_ sourceLocation: SourceLocation) throws {
        for keeper in keepers { keeper.kill() }
        try until("every keeper ends") { keepers.allSatisfy { $0.exitStatus != nil && $0.hasClosedStandardError } }
        for keeper in keepers {
            for sign in ["Sanitizer", "Fatal error", "Precondition failed", "Assertion failed"]
            where keeper.standardError.contains(sign) {
                Issue.record("keeper: \(keeper.standardError)", sourceLocation: sourceLocation)
            }
        }
        let deadline = SystemClock.monotonicTime + hangTimeout
        while case let left = ProcessFigures.processes(withEnvironmentContaining: base), !left.isEmpty {
            if SystemClock.monotonicTime > deadline {
                let commands = left.map { "\($0) \(ProcessDetails.arguments(of: $0) ?? [])" }
                Issue.record("processes are left: \(commands)", sourceLocation: sourceLocation)
                for pid in left { try? Processes.send(.kill, to: pid) }
                break
            }
            try run(for: .milliseconds(5))
        }
        loop.closeHandles()
        while loop.run() {}
        try loop.close()
    }
}

/// Runs `body` with a temporary home, and leaves nothing behind: no process, file, descriptor or handle.
public func withKeeperHome(
    sourceLocation: SourceLocation = #_sourceLocation, _ body: (KeeperHome) throws -> Void
) throws {
    try withTemporaryDirectory { base in
        let home = try KeeperHome(base: base)
        let result = Result { try body(home) }
        try home.cleanUp(sourceLocation)
        try result.get()
    }
}
