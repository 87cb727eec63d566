import TestSupport
import Testing
import UVLoop

@Suite("Keeper: starting") struct KeeperStartTests {
    @Test(
        "A command of any bytes and any size the system takes comes from a file, or from standard input",
        arguments: [true, false])
    func readsCommandFile(isInput: Bool) throws {
        try withKeeperHome { home in
            let long = String(repeating: "x", count: 100_000)
            let script = #"printf %s "$#" >$HOME/count; printf %s "$1" >$HOME/raw; exec cat >>$HOME/out"#
            var bytes: [UInt8] = []
            for string in ["/bin/sh", "-c", script, "sh"] { bytes += Array(string.utf8) + [0] }
            bytes += [0x63, 0xE9, 0xFF, 0]
            for _ in 0..<8 { bytes += Array(long.utf8) + [0] }
            let file = try OpenFile("\(home.base)/command", .createNew)
            try file.write(bytes)
            let keeper = try home.startReady(
                settings: ["PI_KEEPER_COMMAND_FILE": isInput ? "-" : "\(home.base)/command", "PI_KEEPER_PI_CMD": nil],
                shell: #"exec "$@" <$HOME/command"#)
            try home.send("a\n", to: keeper)
            try home.until("the line arrives") { home.text() == "a\n" }
            #expect(home.text("count") == "9")
            #expect(home.bytes("raw") == [0x63, 0xE9, 0xFF])
            #expect(keeper.log.contains(#"c\xE9\xFF"#))
            #expect(keeper.log.utf8.count < 20_000, "a long command is cut in the log")
        }
    }

    @Test(
        "A command file that is none is status 2, and no other command is started",
        arguments: ["", "a", "\0", "\0a\0"])
    func refusesCommandFile(contents: String) throws {
        try withKeeperHome { home in
            try Posix.write(contents, to: "\(home.base)/command")
            let keeper = try home.start(settings: ["PI_KEEPER_COMMAND_FILE": "\(home.base)/command"])
            #expect(try home.runToEnd(keeper) == .exited(code: 2))
            #expect((keeper.standardError + keeper.log).contains("is no command"))
            #expect(home.names.isEmpty && home.text() == nil)
        }
    }

    @Test(
        "Signals that end a session end a keeper that still waits for its command, whatever its starter ignores",
        arguments: [Signal.terminate, .interrupt, .quit], ["", "-"])
    func endsWhileWaitingForCommand(signal: Signal, input: String) throws {
        try withKeeperHome { home in
            let pipe = "\(home.base)/command"
            try Posix.makeNamedPipe(at: pipe)
            let keeper = try home.start(
                settings: ["PI_KEEPER_COMMAND_FILE": input.isEmpty ? pipe : input],
                // With both ends open nothing ever ends it.
                shell: #"trap '' TERM INT QUIT; exec "$@" \#(input.isEmpty ? "" : "<>$HOME/command")"#)
            try home.until("it has taken its signals") { keeper.figures.number("SigBlk:", in: "status") != 0 }
            try home.untilAtRest(keeper)
            #expect(keeper.exitStatus == nil)
            try keeper.send(signal)
            #expect(try home.runToEnd(keeper) == .exited(code: 0))
            #expect(keeper.standardError.contains("a signal came before the command had been read"))
            #expect(home.names.isEmpty)
        }
    }

    @Test("A command may come late, and in pieces")
    func waitsForCommand() throws {
        try withKeeperHome { home in
            let pipe = "\(home.base)/command"
            try Posix.makeNamedPipe(at: pipe)
            let keeper = try home.start(settings: ["PI_KEEPER_COMMAND_FILE": pipe])
            try home.until("it has taken its signals") { keeper.figures.number("SigBlk:", in: "status") != 0 }
            try home.untilAtRest(keeper)
            let writer = try ChildProcess(
                .init(executable: "/bin/sh", stdio: [.pipe, .pipe]), on: home.loop
            ) { _, _ in }
            let (input, output) = (writer.streams[0]!, writer.streams[1]!)
            var said = ""
            try output.readStart(
                onBytes: { _, bytes in bytes.withUnsafeBytes { said += String(decoding: $0, as: UTF8.self) } },
                onEnd: { stream, _ in stream.close() })
            input.write(Array("exec 3>\(pipe); printf ca >&3; echo\n".utf8))
            try home.until("a piece is written") { said == "\n" }
            try home.untilAtRest(keeper)
            #expect(keeper.exitStatus == nil && !keeper.listens)
            input.write(Array(#"printf 't\000' >&3; exit"#.utf8) + [0x0A])
            try home.until("it listens") { keeper.listens }
            try home.until("the writer has ended") { !writer.isRunning }
            input.close()
        }
    }

    @Test(
        "In place of a server's interpreter it takes the session after the script; a second word that is no file is wrong"
    )
    func standsInForInterpreter() throws {
        try withKeeperHome { home in
            try Posix.write("", to: "\(home.base)/keeper.cjs")
            let keeper = try home.start("s", arguments: ["\(home.base)/keeper.cjs", "s"])
            try home.until("it listens") { keeper.listens }
            try home.send("a\n", to: keeper)
            try home.until("the line arrives") { home.text() == "a\n" }
            let other = try home.start("t", arguments: ["\(home.base)/missing.cjs", "t"])
            #expect(try home.runToEnd(other) == .exited(code: 2))
            #expect(other.standardError.contains("expected one argument, the session id, got 2"))
        }
    }

    @Test(
        "A start that fails ends no sooner than 100 ms after it began, having said why at once",
        arguments: ["missing", "ends", "taken", "wrong"])
    func failsLate(way: String) throws {
        try withKeeperHome { home in
            if way == "taken" { _ = try home.startReady() }
            let status: [String: Int32] = ["missing": 1, "ends": 1, "taken": 3, "wrong": 2]
            // On a slow machine a child may end after the crash window, which is another case then: once more.
            for round in 0... {
                let begun = SystemClock.monotonicTime
                let keeper = try home.start(
                    way == "ends" ? "s\(round)" : "s", child: way == "ends" ? "exit 1" : "exec cat",
                    arguments: way == "wrong" ? ["a", "b", "c"] : nil,
                    settings: way == "missing" ? ["PI_KEEPER_PI_CMD": #"["/does/not/exist"]"#] : [:])
                let end = try home.runToEnd(keeper)
                if way == "ends", keeper.log.contains("keeper ready"), round < 100 { continue }
                #expect(end == .exited(code: status[way]!))
                #expect(SystemClock.monotonicTime - begun >= .milliseconds(100))
                break
            }
        }
    }

    @Test(
        "Beside a former child that still runs, no second one is started; a number that is another process's is nobody")
    func refusesBesideFormerChild() throws {
        try withKeeperHome { home in
            let first = try home.startReady(child: "trap '' HUP; echo $$ >$HOME/own; while :; do sleep 0.05; done")
            try home.until("it runs") { home.text("own")?.hasSuffix("\n") == true }
            let child = first.childPID!
            try first.send(.kill)
            _ = try home.runToEnd(first)
            let second = try home.start(child: "touch $HOME/second; exec cat")
            #expect(try home.runToEnd(second) == .exited(code: 3))
            #expect(second.log.contains("its former child \(child) still runs without a keeper"))
            #expect(home.text("second") == nil)
            #expect(Processes.liveness(of: child) == .alive, "nobody was signalled")
            // A copy has the number and not the identity.
            try Posix.write("\(child)", to: "\(home.base)/copy")
            try Files.rename("\(home.base)/copy", to: first.childPIDFile)
            let third = try home.startReady()
            try home.send("a\n", to: third)
            try home.until("the line arrives") { home.text() == "a\n" }
            try Processes.send(.kill, to: child)
        }
    }

    @Test("Beside a former child whose main thread has ended and that runs, no second one is started")
    func refusesBesideFormerChildWithoutMainThread() throws {
        try withKeeperHome { home in
            let helper = BuiltProducts.executable("uvloop-test-helper")
            let first = try home.startReady(
                child: "mkfifo $HOME/in; exec \(helper) end-main-thread <>$HOME/in >/dev/null 2>&1")
            let child = first.childPID!
            try home.until("its main thread has ended") {
                String(decoding: try Files.read("/proc/\(child)/stat", limit: 4096), as: UTF8.self).contains(") Z ")
            }
            try first.send(.kill)
            _ = try home.runToEnd(first)
            let second = try home.start(child: "touch $HOME/second; exec cat")
            #expect(try home.runToEnd(second) == .exited(code: 3))
            #expect(home.text("second") == nil)
            try Processes.send(.kill, to: child)
        }
    }
}
