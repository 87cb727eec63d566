import UVKeeper

/// The server's side of a keeper.
enum KeeperBenchmarks {
    static let all = [
        Benchmark(name: "connect", run: connect),
        Benchmark(name: "manager", run: manager),
        Benchmark(name: "discovery") { count, arguments in try discovery(count, arguments) { _, _ in true } },
        Benchmark(name: "discovery-children") { count, arguments in try discovery(count, arguments, nil) },
        Benchmark(name: "manager-start", run: start),
    ]

    private static let line = [UInt8](repeating: 0x78, count: 63) + [0x0A]

    /// Does an operation `count` times, several at once; first some to warm up.
    private static func measure(
        _ count: Int,
        _ arguments: [String],
        on loop: Loop,
        operation: @escaping (@escaping () -> Void) -> Void,
    ) -> Measurement {
        guard arguments.count >= 2, let inFlight = Int(arguments[1]) else { fail("COUNT SOCKET IN_FLIGHT") }
        func run(_ count: Int) {
            var (toBegin, toEnd) = (count, count)
            func next() {
                guard toBegin > 0 else { return }
                toBegin -= 1
                operation {
                    toEnd -= 1
                    next()
                }
            }
            for _ in 0..<inFlight { next() }
            loop.run()
            guard toEnd == 0 else { fail("\(toEnd) lines are missing") }
        }
        run(500)
        return Measurement(total: timed { run(count) })
    }

    /// usage: connect COUNT SOCKET IN_FLIGHT. Opens one connection per line, done when the keeper has closed it
    /// cleanly, with the original manager's timer for each, like the other peers.
    private static func connect(_ count: Int, _ arguments: [String]) throws -> Measurement {
        let loop = try Loop()
        let path = arguments.first ?? ""
        let measurement = measure(count, arguments, on: loop) { done in
            do {
                let timer = TimerHandle(on: loop)
                timer.start(after: KeeperConstants.writeAttemptTimeout) { _ in fail("not read to its end in time") }
                _ = try PipeStream(connectingTo: path, on: loop) { stream, error in
                    if let error { fail("\(error)") }
                    do {
                        try stream.readStart(
                            onBytes: { _, _ in },
                            onEnd: { stream, error in
                                if let error { fail("\(error)") }
                                stream.close()
                                timer.close()
                                done()
                            })
                    } catch {
                        fail("\(error)")
                    }
                    stream.write(line)
                    stream.shutdown()
                }
            } catch {
                fail("\(error)")
            }
        }
        try loop.close()
        return measurement
    }

    /// usage: manager COUNT SOCKET IN_FLIGHT. Uses an embedder's call; lines that wait together share a connection.
    private static func manager(_ count: Int, _ arguments: [String]) throws -> Measurement {
        let loop = try Loop()
        let manager = try KeeperManager(on: loop)
        let measurement = measure(count, arguments, on: loop) { done in
            manager.writeRPC(line, toSocketAt: arguments[0]) { outcome in
                guard outcome == .sent else { fail("\(outcome)") }
                done()
            }
        }
        manager.close()
        loop.run()
        try loop.close()
        return measurement
    }

    /// usage: discovery COUNT DIRECTORY KEEPERS. Each time uses a new manager, as after a restart. The liveness of
    /// children is told by the caller, as in the original, or found out.
    private static func discovery(
        _ count: Int,
        _ arguments: [String],
        _ isChildAlive: ((SessionID, Int32?) -> Bool)?,
    ) throws -> Measurement {
        guard arguments.count == 2, let keepers = Int(arguments[1]) else { fail("COUNT DIRECTORY KEEPERS") }
        let loop = try Loop()
        var options = KeeperManager.Options()
        options.sessionsDirectory = arguments[0]
        options.isChildAlive = isChildAlive
        let time = try timed {
            for _ in 0..<count {
                let manager = try KeeperManager(on: loop, options: options)
                manager.discoverExistingKeepers { discovery in
                    let found = (try? discovery.get())?.keepers.count ?? 0
                    guard found == keepers else { fail("found \(found) keepers") }
                    manager.close()
                }
                loop.run()
            }
        }
        try loop.close()
        return Measurement(total: time)
    }

    /// usage: manager-start COUNT DIRECTORY SIDECAR COMMAND.... Measures from the call to the report that the keeper
    /// accepts.
    private static func start(_ count: Int, _ arguments: [String]) throws -> Measurement {
        guard arguments.count >= 3 else { fail("COUNT DIRECTORY SIDECAR COMMAND...") }
        let loop = try Loop()
        var options = KeeperManager.Options()
        options.sessionsDirectory = arguments[0]
        options.sidecar = [arguments[1]]
        let manager = try KeeperManager(on: loop, options: options)
        var total = Duration.zero
        for number in 0..<count {
            let session = try SessionID("start-\(number)")
            total += timed {
                manager.spawnKeeper(
                    for: session, in: "/", .init(command: Array(arguments[2...]))
                ) { result in
                    if case .failure(let error) = result { fail("\(error)") }
                    loop.stop()
                }
                loop.run()
            }
            manager.killKeeper(for: session)
        }
        manager.close()
        loop.run()
        try loop.close()
        return Measurement(total: total)
    }
}
