import UVKeeper

/// Thousands of live sessions of one server.
enum ScaleBenchmark {
    static let all = [Benchmark(name: "scale", run: run)]

    /// usage: scale COUNT DIRECTORY SIDECAR COMMAND.... Starts COUNT sessions whose output is kept, finds them again,
    /// writes a line to each and waits for its answer, rests until the connections are given up, and ends the sessions;
    /// some at a time. The command answers each line with as many bytes. The total is the time of all; the parts are
    /// times in nanoseconds, the longest waits of the server's loop in each step, memory in KiB, and numbers.
    private static func run(_ count: Int, _ arguments: [String]) throws -> Measurement {
        guard arguments.count >= 3 else { fail("COUNT DIRECTORY SIDECAR COMMAND...") }
        try DescriptorLimit.raise()
        let server = try Server(count, arguments)
        var parts: [(name: String, nanoseconds: Double)] = []
        let total = timed {
            server.step("start", &parts) { server.start($0) }
            server.step("find", &parts) { server.find($0) }
            server.step("ask", &parts) { server.ask($0) }
            parts.append(("descriptors-asking", Double(server.openDescriptorCount)))
            server.cancelReads()
            // The rest is longer than unused connections are kept.
            server.step("rest", &parts) { server.rest(.seconds(6), $0) }
            parts.append(("descriptors", Double(server.openDescriptorCount)))
            parts += server.memory
            server.step("stop", &parts) { server.stop($0) }
        }
        try server.close()
        return Measurement(total: total, parts: parts)
    }

    private final class Server {
        /// The number of operations that a server does at a time.
        private static let atATime = 32

        private let loop: Loop
        private var options = KeeperManager.Options()
        private let manager: KeeperManager
        private let ids: [SessionID]
        private let command: [String]
        private var keepers: [Int32] = []
        private var reads: [OutputRead] = []
        private let idleDescriptorCount: Int

        init(_ count: Int, _ arguments: [String]) throws {
            loop = try Loop()
            options.sessionsDirectory = arguments[0]
            options.sidecar = [arguments[1]]
            command = Array(arguments[2...])
            ids = try (0..<count).map { try SessionID("scale-\($0)") }
            manager = try KeeperManager(on: loop, options: options)
            idleDescriptorCount = Server.descriptorCount
        }

        func close() throws {
            manager.close()
            loop.stopObserving()
            loop.run()
            try loop.close()
        }

        /// Runs the loop until `body` has called its argument; appends the time, and the lateness of the loop's timers
        /// meanwhile.
        func step(
            _ name: String, _ parts: inout [(name: String, nanoseconds: Double)],
            _ body: (@escaping () -> Void) -> Void,
        ) {
            loop.observe(every: .milliseconds(2))
            let time = timed {
                body { self.loop.stop() }
                loop.run()
            }
            guard let lag = loop.health?.lag else { fail("the loop was not observed") }
            parts.append((name, time.nanoseconds))
            parts.append(("\(name)-lag", lag.longest.nanoseconds))
            parts.append(("\(name)-lag-99", lag.percentile99.nanoseconds))
        }

        /// Calls `body` for each session, some at a time.
        private func each(
            _ atATime: Int, _ completion: @escaping () -> Void,
            _ body: @escaping (SessionID, @escaping () -> Void) -> Void,
        ) {
            var (next, left) = (0, ids.count)
            func begin() {
                guard next < ids.count else { return }
                next += 1
                body(ids[next - 1]) {
                    left -= 1
                    if left == 0 { completion() } else { begin() }
                }
            }
            for _ in 0..<min(atATime, ids.count) { begin() }
        }

        func start(_ completion: @escaping () -> Void) {
            each(Server.atATime, completion) { [self] id, done in
                let options = SpawnOptions(command: command, output: .kept(bytes: 1 << 20))
                manager.open(id, in: "/", options) { [self] result in
                    do throws(KeeperError) {
                        guard let pid = try result.get().keeperPID else { fail("\(id) has no pid") }
                        keepers.append(pid)
                        done()
                    } catch {
                        fail("\(id): \(error)")
                    }
                }
            }
        }

        /// Finds the sessions with a manager of its own, as after a restart.
        func find(_ completion: @escaping () -> Void) {
            do throws(KeeperError) {
                let other = try KeeperManager(on: loop, options: options)
                other.discoverExistingKeepers { [self] result in
                    let found = (try? result.get())?.keepers.count ?? 0
                    guard found == ids.count else { fail("found \(found) sessions of \(ids.count)") }
                    other.close()
                    completion()
                }
            } catch {
                fail("\(error)")
            }
        }

        func ask(_ completion: @escaping () -> Void) {
            let question = [UInt8](repeating: 0x78, count: 63) + [0x0A]
            each(Server.atATime, completion) { [self] id, done in
                let session = manager.session(id)
                var missing = question.count
                reads.append(
                    session.read(
                        from: .start,
                        onBytes: { _, _, bytes in
                            missing -= bytes.byteCount
                            if missing == 0 { done() }
                        },
                        onEvent: { fail("\(id): \($0)") }))
                session.write(question, deadline: .within(.seconds(60))) { outcome in
                    guard outcome == .written else { fail("\(id): \(outcome)") }
                }
            }
        }

        func cancelReads() {
            for read in reads { read.cancel() }
            reads = []
        }

        func rest(_ time: Duration, _ completion: @escaping () -> Void) { loop.after(time, completion) }

        func stop(_ completion: @escaping () -> Void) {
            each(Server.atATime, completion) { [self] id, done in
                manager.stop(id, ladder: .now) { result in
                    switch result {
                    case .stopped, .killed: done()
                    case .notFound, .survived, .stillServed, .notPermitted, .closed, .failed: fail("\(id): \(result)")
                    }
                }
            }
        }

        // MARK: Resources

        private static var descriptorCount: Int {
            (try? Files.names(inDirectory: "/proc/self/fd").count) ?? 0
        }

        /// The number of open descriptors beyond those of a manager without sessions.
        var openDescriptorCount: Int { Server.descriptorCount - idleDescriptorCount }

        /// The memory of a keeper and its child, the mean of all, and the memory of this process.
        var memory: [(name: String, nanoseconds: Double)] {
            var (keeper, child) = (Memory(), Memory())
            for pid in keepers {
                keeper.add(pid)
                let children = (try? Files.read("/proc/\(pid)/task/\(pid)/children", limit: 256)) ?? []
                for text in String(decoding: children, as: UTF8.self).split(separator: " ") {
                    if let pid = Int32(text) { child.add(pid) }
                }
            }
            var server = Memory()
            server.add(CurrentProcess.id)
            let count = Double(keepers.count)
            return [
                ("keeper-private", keeper.unshared / count), ("keeper-pss", keeper.proportional / count),
                ("child-private", child.unshared / count), ("server-private", server.unshared),
            ]
        }
    }

    /// The memory of processes, in KiB.
    private struct Memory {
        private(set) var unshared = 0.0
        private(set) var proportional = 0.0

        mutating func add(_ pid: Int32) {
            guard let bytes = try? Files.read("/proc/\(pid)/smaps_rollup", limit: 8192) else {
                fail("the memory of process \(pid) cannot be read")
            }
            for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") {
                let fields = line.split(separator: " ")
                guard fields.count >= 2, let number = Double(fields[1]) else { continue }
                switch fields[0] {
                case "Private_Clean:", "Private_Dirty:": unshared += number
                case "Pss:": proportional += number
                default: break
                }
            }
        }
    }
}
