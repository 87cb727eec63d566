import Libc
import UVKeeper

/// What the helper can play.
enum Host {
    /// How long a host waits for what must come.
    static let hangTimeout = Duration.seconds(100)

    /// Prints the sidecar that is found.
    static func find() {
        do throws(KeeperError) { say(try SidecarCommand.find().argv) } catch { say(error) }
    }

    /// Starts a keeper, with this program as its sidecar if the fourth argument says so, prints its pid or what went wrong,
    /// then waits for the end of stdin or for its own.
    ///
    /// Arguments: sessions directory, id, readiness, `self` or a sidecar, descriptors to open first.
    static func spawn(_ arguments: [String]) throws {
        for _ in 0..<(Int(arguments[4]) ?? 0) { _ = openDescriptor("/dev/null", O_RDONLY) }
        let session = try SessionID(arguments[1])
        let loop = try Loop()
        let manager = try manager(arguments[0], on: loop, sidecar: arguments[3])
        manager.spawnKeeper(
            for: session, in: arguments[0],
            .init(
                command: ["sh", "-c", "exec cat > out"], readiness: arguments[2] == "started" ? .started : .accepting,
                deadline: hangTimeout)
        ) { result in
            switch result {
            case .success(let keeper): say("pid \(keeper.pid)")
            case .failure(let error): say("error \(error)")
            }
        }
        // The loop ends although the keeper runs: nobody waits for it.
        loop.run()
        _ = getchar()
        manager.close()
        loop.run()
        try loop.close()
        say("closed")
    }

    /// A host that collects the status of every child: starts a keeper, kills it, prints what it is told.
    static func reap(_ arguments: [String]) throws {
        let session = try SessionID(arguments[1])
        let loop = try Loop()
        let manager = try manager(arguments[0], on: loop, sidecar: arguments[2])
        let reaper = TimerHandle(on: loop)
        reaper.start(after: .milliseconds(1), repeating: .milliseconds(1)) { _ in
            while waitpid(-1, nil, WNOHANG) > 0 {}
        }
        manager.spawnKeeper(
            for: session, in: arguments[0], .init(command: ["cat"], deadline: hangTimeout)
        ) { result in
            guard case .success(let keeper) = result else { return say(result) }
            say("killed \(manager.killKeeper(for: session))")
            keeper.process.waitForNoCrash(window: hangTimeout) { result in
                if case .ended = result { say("ended") } else { say(result) }
                say("killed \(manager.killKeeper(for: session))")
                reaper.close()
                manager.close()
            }
        }
        loop.run()
        try loop.close()
    }

    /// Writes to a socket without a free descriptor; with `free`, gives them back after the first attempt.
    static func starve(_ arguments: [String]) throws {
        let loop = try Loop()
        let manager = try manager("/", on: loop, sidecar: "none")
        let timer = TimerHandle(on: loop)
        let shortage = DescriptorShortage()
        shortage.begin()
        manager.writeRPC("starved", toSocketAt: arguments[0]) { outcome in
            say(outcome)
            timer.close()
            manager.close()
        }
        if arguments.contains("free") {
            timer.start(after: .milliseconds(25)) { _ in shortage.end() }
        }
        loop.run()
        try loop.close()
    }

    /// Tries to end a keeper without a free descriptor, when the system tells nothing of any process; then with one.
    static func blind(_ arguments: [String]) throws {
        let session = try SessionID(arguments[1])
        let loop = try Loop()
        let manager = try manager(arguments[0], on: loop, sidecar: arguments[2])
        let shortage = DescriptorShortage()
        manager.spawnKeeper(
            for: session, in: arguments[0], .init(command: ["cat"], deadline: hangTimeout)
        ) { result in
            guard case .success(let keeper) = result else { return say(result) }
            // It begins to look while it can, and cannot any more when it would signal.
            Processes.killProcess(keeper.pid, grace: .milliseconds(10), on: loop) { result in
                say("process \(result), running \(keeper.isRunning)")
                shortage.end()
                say("kill \(manager.killKeeper(for: session))")
                keeper.process.waitForNoCrash(window: hangTimeout) { result in
                    say(result)
                    manager.close()
                }
            }
            shortage.begin()
            say("kill \(manager.killKeeper(for: session))")
            manager.stop(session) { say("stop \($0)") }
        }
        loop.run()
        try loop.close()
    }

    /// Is told of the end of a session that ends while the host has no free descriptor.
    static func bereave(_ arguments: [String]) throws {
        let session = try SessionID(arguments[1])
        let loop = try Loop()
        let manager = try manager(arguments[0], on: loop, sidecar: arguments[2])
        let shortage = DescriptorShortage()
        manager.spawnKeeper(
            for: session, in: arguments[0], .init(command: ["cat"], deadline: hangTimeout)
        ) { result in
            guard case .success(let keeper) = result else { return say(result) }
            manager.session(session).onEnd = { exit in
                say("told \(exit.map { $0.reason.rawValue } ?? "nothing")")
                manager.close()
            }
            shortage.begin()
            kill(keeper.pid, SIGTERM)
            keeper.process.waitForNoCrash(window: hangTimeout) { _ in
                // What else hears of it has its turn first.
                TimerHandle(on: loop).start(after: .milliseconds(50)) { timer in
                    timer.close()
                    say("free")
                    shortage.end()
                }
            }
        }
        loop.run()
        try loop.close()
    }

    /// As a user without privileges: what is said about a process of root, and what comes of killing it.
    static func unprivileged(_ arguments: [String]) throws {
        guard setgid(65534) == 0, setuid(65534) == 0, let pid = Int32(arguments[0]) else { return say("cannot") }
        say("alive \(Processes.liveness(of: pid) != .gone) \(Processes.liveness(of: pid))")
        let loop = try Loop()
        Processes.killProcess(pid, grace: .milliseconds(10), on: loop) { say("kill \($0)") }
        if arguments.count > 1 {
            let session = try SessionID(arguments[2])
            let manager = try manager(arguments[1], on: loop, sidecar: "none")
            say("keeper \(manager.mayBeAlive(session))")
            manager.writeRPC("x", to: session) { outcome in
                say(outcome)
                manager.close()
            }
        }
        loop.run()
        try loop.close()
    }

    /// Listens as yet another user.
    static func stranger(_ path: String) throws {
        guard setgid(65533) == 0, setuid(65533) == 0 else { return say("cannot") }
        try listen(path)
    }

    /// Listens at a path that clients may connect to, until stdin ends; then says what came.
    static func listen(_ path: String) throws {
        let loop = try Loop()
        let listener = try PipeListener(bindingTo: path, on: loop)
        guard chmod(path, 0o666) == 0 else { return say("cannot open it to all") }
        var clients: [PipeStream] = []
        var bytes = 0
        try listener.listen(backlog: 16) { _, result in
            guard case .success(let client) = result else { return say(result) }
            clients.append(client)
            try? client.readStart(
                onBytes: { _, chunk in bytes += chunk.byteCount }, onEnd: { stream, _ in stream.close() })
        }
        say("listening")
        _ = getchar()
        loop.run(.noWait)
        say(bytes == 0 ? "got nothing" : "got \(bytes) bytes")
        listener.close()
        for client in clients { client.close() }
        loop.run()
        try loop.close()
    }

    /// Locks a file as a keeper does, until stdin ends.
    static func lock(_ path: String) throws {
        let file = try OpenFile(path, .readWrite)
        say(try file.lockForProcess() ? "locked" : "taken")
        _ = getchar()
        file.close()
    }

    /// Ignores SIGTERM for ever.
    static func stubborn() {
        signal(SIGTERM, SIG_IGN)
        say("ready")
        while true { pause() }
    }

    /// Becomes root for good, if it is a set-user-id program, and waits for ever.
    static func rooted() {
        say(setuid(0) == 0 ? "rooted" : "cannot")
        while true { pause() }
    }

    /// As a user without privileges: starts a keeper whose child starts a process that only root can end, stops it, and says
    /// who survives.
    ///
    /// Arguments: a directory to be made, the sidecar, the program.
    static func survivor(_ arguments: [String]) throws {
        try Files.makeDirectory(at: arguments[0])
        guard chown(arguments[0], 65534, 65534) == 0, setgid(65534) == 0, setuid(65534) == 0 else {
            return say("cannot")
        }
        let loop = try Loop()
        let manager = try manager(arguments[0] + "/s", on: loop, sidecar: arguments[1])
        let script = "\(arguments[2]) rooted >said & echo $! >pid; exec sleep 1000"
        let timer = TimerHandle(on: loop)
        var keeper: Int32 = 0
        manager.spawnKeeper(
            for: "s1", in: arguments[0],
            .init(command: ["sh", "-c", script], deadline: hangTimeout)
        ) { result in
            switch result {
            case .failure(let error): say(error)
            case .success(let spawned): keeper = spawned.pid
            }
            timer.start(after: .milliseconds(5), repeating: .milliseconds(5)) { timer in
                guard let said = try? Files.read(arguments[0] + "/said", limit: 20), said.count > 6,
                    let pid = try? Files.read(arguments[0] + "/pid", limit: 20), pid.last == 10
                else { return }
                // Once more, until a keeper that is to be dead is.
                if arguments.count > 3, kill(keeper, SIGKILL) == 0, Processes.liveness(of: keeper) != .gone { return }
                timer.close()
                say(String(decoding: pid.dropLast(), as: UTF8.self))
                manager.stop("s1", ladder: .now) { result in
                    say(result)
                    manager.close()
                }
            }
        }
        loop.run()
        try loop.close()
    }

    /// Stops a session: sessions directory, id.
    static func stop(_ arguments: [String]) throws {
        let session = try SessionID(arguments[1])
        let loop = try Loop()
        let manager = try manager(arguments[0], on: loop, sidecar: "none")
        manager.stop(session, ladder: .now) { result in
            say(result)
            manager.close()
        }
        loop.run()
        try loop.close()
    }

    /// Writes a line to a socket, as whoever this is.
    static func send(_ arguments: [String]) throws {
        let loop = try Loop()
        let manager = try manager("/", on: loop, sidecar: "none")
        manager.writeRPC("x", toSocketAt: arguments[0]) { outcome in
            say(outcome)
            manager.close()
        }
        loop.run()
        try loop.close()
    }

    /// Says what its own sidecar is, once its file has been replaced.
    static func replaced() {
        say("ready")
        _ = getchar()
        do throws(KeeperError) { say(try SidecarCommand.currentExecutable().argv[0]) } catch { say(error) }
    }

    /// How many descriptors starting a keeper costs until it has settled: its pidfd, and nothing else.
    static func descriptors(_ arguments: [String]) throws {
        let session = try SessionID(arguments[1])
        let loop = try Loop()
        let manager = try manager(arguments[0], on: loop, sidecar: arguments[2])
        let before = try count()
        manager.spawnKeeper(
            for: session, in: arguments[0], .init(command: ["cat"], deadline: hangTimeout)
        ) { result in
            guard case .success(let keeper) = result else { return say(result) }
            say("more \((try? count()).map { $0 - before } ?? -1)")
            manager.killKeeper(for: session)
            keeper.process.waitForNoCrash(window: hangTimeout) { _ in manager.close() }
        }
        loop.run()
        say("left \(try count() - before)")
        try loop.close()
    }

    /// Does what must end the process, with a sentence.
    static func misnameSession() throws {
        let manager = try manager("/", on: try Loop(), sidecar: "none")
        manager.writeRPC("x", to: "a/b") { say($0) }
        say("the literal was not noticed")
    }

    static func count() throws(UVError) -> Int { try Files.names(inDirectory: "/proc/self/fd").count }

    static func manager(_ sessions: String, on loop: Loop, sidecar: String) throws -> KeeperManager {
        var options = KeeperManager.Options()
        options.sessionsDirectory = sessions
        switch sidecar {
        case "self": options.sidecar = try SidecarCommand.currentExecutable()
        case "find": options.sidecar = nil
        default: options.sidecar = [sidecar]
        }
        return try KeeperManager(on: loop, options: options)
    }
}

/// A descriptor that a child would inherit.
func openDescriptor(_ path: String, _ flags: Int32) -> Int32 { open(path, flags) }

/// A process sleeps, says its open `stat` file; always so where there is none.
private func isAsleep(_ stat: Int32) -> Bool {
    var bytes = [UInt8](repeating: 0, count: 256)
    let count = pread(stat, &bytes, bytes.count, 0)
    guard count > 0 else { return true }
    return String(decoding: bytes[..<count], as: UTF8.self).contains(") S ")
}

func closeDescriptor(_ descriptor: Int32) { close(descriptor) }

/// Unbuffered, so that a killed host has said what it said.
func say(_ value: Any) {
    let line = Array("\(value)\n".utf8)
    _ = write(1, line, line.count)
}
