import Libc
import UVKeeper

/// Hosts of many idle sessions, which count what these cost.
extension Host {
    /// Starts some sessions, adopts others, and is told of the end of each; says how many descriptors they cost once they
    /// cost as many as expected, then ends them.
    ///
    /// Arguments: sessions directory, sidecar, number of sessions to start, number of sessions `a0`, `a1`... to adopt,
    /// expected descriptors, and what the system refuses: `nothing`, `watches`, `queues`.
    static func crowd(_ arguments: [String]) throws {
        guard let started = Int(arguments[2]), let adopted = Int(arguments[3]), let expected = Int(arguments[4]) else {
            return say("wrong arguments")
        }
        switch arguments[5] {
        case "watches":
            guard SystemCallFilter.refuse(SystemCallFilter.addFileWatch, error: ENOSPC) else { return say("no filter") }
        case "queues":
            guard SystemCallFilter.refuse(SystemCallFilter.openEventQueue, error: EMFILE) else {
                return say("no filter")
            }
        default: break
        }
        let loop = try Loop()
        let manager = try manager(arguments[0], on: loop, sidecar: arguments[1])
        let before = try count()
        var keepers: [SpawnedKeeper] = []
        var told: [SessionID: Int] = [:]
        let watch = { (id: SessionID) in manager.session(id).onEnd = { _ in told[id, default: 0] += 1 } }
        for number in 0..<adopted { watch(try SessionID("a\(number)")) }
        for number in 0..<started {
            manager.spawnKeeper(
                for: try SessionID("b\(number)"), in: arguments[0], .init(command: ["cat"], deadline: hangTimeout)
            ) { result in
                guard case .success(let keeper) = result else { return say(result) }
                keepers.append(keeper)
                watch(keeper.session)
            }
        }
        var hasKilled = false
        TimerHandle(on: loop).start(after: .milliseconds(5), repeating: .milliseconds(5)) { timer in
            if !hasKilled, keepers.count == started, (try? count()) == before + expected {
                hasKilled = true
                say("more \(expected)")
                let pids =
                    keepers.map(\.pid)
                    + (0..<adopted).compactMap { number in
                        (try? SessionID("a\(number)")).flatMap { manager.session($0).record?.keeper.pid }
                    }
                for (index, pid) in pids.enumerated() { kill(pid, index.isMultiple(of: 2) ? SIGKILL : SIGTERM) }
            } else if hasKilled, told.count == started + adopted, keepers.allSatisfy({ !$0.isRunning }) {
                timer.close()
                say("told \(told.values.reduce(0, +))")
                say("unknown \(keepers.count { $0.exitStatus == .unknown })")
                say("children \(waitpid(-1, nil, WNOHANG) == -1 && errno == ECHILD ? "none" : "left")")
                manager.close()
            }
        }
        loop.run()
        say("left \(try count() - before)")
        try loop.close()
    }

    /// A host with children of its own whose statuses it collects itself, or has the system drop (`ignores`): what it is
    /// told of a keeper that was watched by its lock, and what is left of its own child.
    ///
    /// Arguments: sessions directory, sidecar, `collects` or `ignores`.
    static func parent(_ arguments: [String]) throws {
        if arguments[2] == "ignores" { signal(SIGCHLD, SIG_IGN) }
        let loop = try Loop()
        let manager = try manager(arguments[0], on: loop, sidecar: arguments[1])
        // It is let go of, and has ended long before the keeper does.
        let own = try ChildProcess(.init(executable: "sh", arguments: ["-c", "exit 7"]), on: loop) { _, _ in }
        own.close()
        manager.spawnKeeper(for: "s1", in: arguments[0], .init(command: ["cat"], deadline: hangTimeout)) { result in
            guard case .success(let keeper) = result else { return say(result) }
            TimerHandle(on: loop).start(after: .milliseconds(5), repeating: .milliseconds(5)) { timer in
                guard keeper.isRunning else {
                    timer.close()
                    return manager.close()
                }
                if Processes.liveness(of: own.pid) == .gone, pidfds() == 0 { kill(keeper.pid, SIGKILL) }
            }
            keeper.process.waitForNoCrash(window: hangTimeout) { result in
                if case .ended(let status) = result { say(status) } else { say(result) }
            }
        }
        loop.run()
        var status: Int32 = 0
        say("own \(waitpid(own.pid, &status, 0) == own.pid ? "\(status >> 8)" : "dropped")")
        try loop.close()
    }

    /// Starts a keeper, waits until it is watched without a descriptor, and runs the loop, which does not wait for the
    /// keeper but for a session whose end is to be told.
    static func leave(_ arguments: [String]) throws {
        let loop = try Loop()
        let manager = try manager(arguments[0], on: loop, sidecar: arguments[1])
        var pid: Int32 = 0
        manager.spawnKeeper(for: "s1", in: arguments[0], .init(command: ["cat"], deadline: hangTimeout)) { result in
            guard case .success(let keeper) = result else { return say(result) }
            pid = keeper.pid
            TimerHandle(on: loop).start(after: .milliseconds(5), repeating: .milliseconds(5)) { timer in
                if pidfds() == 0 { timer.close() }
            }
        }
        loop.run()
        say("free")
        manager.session("s1").onEnd = { _ in say("told") }
        loop.run(.noWait)
        say("alive \(loop.isAlive)")
        kill(pid, SIGKILL)
        loop.run()
        manager.close()
        loop.run()
        try loop.close()
    }

    /// Is told of the end of a keeper, watched without a descriptor, that ends while the host has none that is free.
    static func bereaveAtRest(_ arguments: [String]) throws {
        let loop = try Loop()
        let manager = try manager(arguments[0], on: loop, sidecar: arguments[1])
        let shortage = DescriptorShortage()
        manager.spawnKeeper(for: "s1", in: arguments[0], .init(command: ["cat"], deadline: hangTimeout)) { result in
            guard case .success(let keeper) = result else { return say(result) }
            var isFree = false
            var isTold = false
            manager.session("s1").onEnd = { exit in
                say("\(isFree ? "free" : "early"), told \(exit.map { $0.reason.rawValue } ?? "nothing")")
                isTold = true
            }
            TimerHandle(on: loop).start(after: .milliseconds(5), repeating: .milliseconds(5)) { timer in
                if !shortage.hasBegun, pidfds() == 0 {
                    shortage.begin()
                    kill(keeper.pid, SIGTERM)
                    var info = siginfo_t()
                    waitid(P_PID, id_t(keeper.pid), &info, WEXITED | WNOWAIT)
                    // The loop hears of it first.
                    TimerHandle(on: loop).start(after: .milliseconds(50)) { timer in
                        timer.close()
                        isFree = true
                        shortage.end()
                    }
                } else if isTold, !keeper.isRunning {
                    timer.close()
                    say(keeper.exitStatus ?? .unknown)
                    manager.close()
                }
            }
        }
        loop.run()
        try loop.close()
    }

    /// The number of this process's descriptors of processes.
    private static func pidfds() -> Int {
        guard let names = try? Files.names(inDirectory: "/proc/self/fdinfo") else { return -1 }
        return names.count { name in
            guard let info = try? Files.read("/proc/self/fdinfo/\(name)", limit: 4096) else { return false }
            return String(decoding: info, as: UTF8.self).contains("\nPid:\t")
        }
    }
}
