import Libc
import TestSupport
import Testing
import UVLoop

/// Returns the configuration of a shell script for one of the two backends.
func shell(_ script: String, stdio: [ChildProcess.Stdio] = [], usesLibuv: Bool) -> ChildProcess.Configuration {
    var configuration = ChildProcess.Configuration(
        executable: "/bin/sh", arguments: ["-c", script], stdio: stdio)
    configuration.usesLibuv = usesLibuv
    return configuration
}

/// Runs a child to its end.
///
/// - Returns: how the child ended, and the bytes it wrote to its standard output.
func outcome(_ configuration: ChildProcess.Configuration) throws -> (status: ProcessExit?, output: [UInt8]) {
    var configuration = configuration
    configuration.stdio = [.ignore, .pipe, .ignore]
    var status: ProcessExit?
    var output: [UInt8] = []
    try withLoop { loop in
        let child = try ChildProcess(configuration, on: loop) { status = $1 }
        try child.streams[1]?.collect { output = $0 }
    }
    return (status, output)
}

@Suite("A child process") struct ChildProcessTests {
    @Test("reports its exit code or its signal, once", arguments: [false, true]) func endings(usesLibuv: Bool) throws {
        try withLoop { loop in
            var statuses: [ProcessExit] = []
            let first = try ChildProcess(shell("exit 3", usesLibuv: usesLibuv), on: loop) { child, status in
                #expect(!child.isRunning)
                #expect(child.exitStatus == status)
                statuses.append(status)
            }
            #expect(first.isRunning)
            #expect(first.pid > 1)
            loop.run()
            let second = try ChildProcess(shell("kill -USR1 $$", usesLibuv: usesLibuv), on: loop) {
                statuses.append($1)
            }
            loop.run()
            #expect(statuses == [.exited(code: 3), .signaled(.user1)])
            for child in [first, second] {
                #expect(throws: UVError.noProcess) { try child.kill() }
                #expect(throws: UVError.noProcess) { try child.killGroup() }
                child.unref()
                child.close()
            }
        }
    }

    #if os(Linux)
    @Test("that was let go of is watched again, whether it runs, has ended, or was collected by others")
    func resumed() throws {
        try withLoop { loop in
            for (name, status) in [
                ("runs", ProcessExit.signaled(.user1)), ("ended", .exited(code: 3)), ("collected", .unknown),
            ] {
                let script = name == "runs" ? "exec sleep 1000" : "exit 3"
                let child = try ChildProcess(shell(script, usesLibuv: false), on: loop) { _, _ in
                    Issue.record("it was let go of")
                }
                #expect(child.hasPidfd)
                let hold = try ProcessDescriptor(of: child.pid)
                child.close()
                if name != "runs" { try run(loop) { hold.hasEnded } }
                if name == "collected" { #expect(waitpid(child.pid, nil, 0) == child.pid) }
                var exits: [ProcessExit] = []
                let again = try ChildProcess(resuming: hold, on: loop) { child, status in
                    #expect(child.exitStatus == status)
                    exits.append(status)
                }
                #expect(again.isRunning && again.pid == child.pid && again.streams.isEmpty && exits.isEmpty)
                if name == "runs" { try again.kill(.user1) }
                try run(loop) { !exits.isEmpty }
                #expect(exits == [status], "\(name)")
            }
        }
    }
    #endif

    @Test("runs as another user and group, if this one may") func otherUser() throws {
        let configuration = ChildProcess.Configuration(
            executable: "/bin/sh", arguments: ["-c", "id -u; id -g"], userID: 65534, groupID: 65533)
        if geteuid() == 0 {
            #expect(try outcome(configuration).output == Array("65534\n65533\n".utf8))
        } else {
            #expect(throws: (any Error).self) { try outcome(configuration) }
        }
    }

    @Test("talks through its three pipes", arguments: [false, true]) func pipes(usesLibuv: Bool) throws {
        try withLoop { loop in
            let child = try ChildProcess(
                shell("cat; echo error >&2", stdio: [.pipe, .pipe, .pipe], usesLibuv: usesLibuv), on: loop
            ) { #expect($1 == .exited(code: 0)) }
            var output: [UInt8] = []
            var errors: [UInt8] = []
            let input = try #require(child.streams[0])
            let message = [UInt8](repeating: 65, count: 1 << 20)
            input.write(message)
            input.shutdown { #expect($0 == nil) }
            try child.streams[1]?.collect { output = $0 }
            try child.streams[2]?.collect { errors = $0 }
            loop.run()
            #expect(output == message)
            #expect(errors == Array("error\n".utf8))
        }
    }

    @Test("has a socket for both directions above its standard descriptors", arguments: [false, true])
    func socket(usesLibuv: Bool) throws {
        try withLoop { loop in
            let child = try ChildProcess(
                shell("cat <&4 >&4", stdio: [.ignore, .ignore, .ignore, .ignore, .pipe], usesLibuv: usesLibuv), on: loop
            ) { #expect($1 == .exited(code: 0)) }
            #expect(child.streams.count == 5)
            let stream = try #require(child.streams[4])
            var got: [UInt8] = []
            try stream.collect { got = $0 }
            stream.write([1, 2, 3])
            stream.shutdown()
            loop.run()
            #expect(got == [1, 2, 3])
        }
    }

    @Test("always has its first three descriptors, and ignored ones are there", arguments: [false, true])
    func standardDescriptors(usesLibuv: Bool) throws {
        try withLoop { loop in
            for stdio in [[], [.ignore], [.ignore, .ignore, .ignore, .ignore]] as [[ChildProcess.Stdio]] {
                let script = "for n in 0 1 2 \(stdio.count > 3 ? "3" : ""); do test -e /proc/self/fd/$n || exit 9; done"
                let child = try ChildProcess(shell(script, stdio: stdio, usesLibuv: usesLibuv), on: loop) {
                    #expect($1 == .exited(code: 0))
                }
                #expect(child.streams.allSatisfy { $0 == nil })
                loop.run()
            }
        }
    }

    @Test("gets descriptors in any order", arguments: [false, true]) func swapped(usesLibuv: Bool) throws {
        try withLoop { loop in
            var got: [String] = []
            let (one, oneRead) = socketPair()
            let (two, twoRead) = socketPair()
            var configuration = shell(
                "echo one; echo two >&2", stdio: [.ignore, .descriptor(two), .descriptor(one)], usesLibuv: usesLibuv)
            _ = try ChildProcess(configuration, on: loop) { #expect($1 == .exited(code: 0)) }
            close(one)
            close(two)
            for descriptor in [oneRead, twoRead] {
                try PipeStream(takingOwnershipOf: descriptor, on: loop).collect {
                    got.append(String(decoding: $0, as: UTF8.self))
                }
            }
            loop.run()
            #expect(Set(got) == ["one\n", "two\n"])
            // The descriptors are the child's own numbers, crosswise.
            configuration.arguments = ["-c", "test -e /proc/self/fd/1 && test -e /proc/self/fd/2"]
            configuration.stdio = [.ignore, .descriptor(2), .descriptor(1)]
            _ = try ChildProcess(configuration, on: loop) { #expect($1 == .exited(code: 0)) }
            configuration.stdio = [.descriptor(2), .descriptor(0), .descriptor(1)]
            _ = try ChildProcess(configuration, on: loop) { #expect($1 == .exited(code: 0)) }
        }
    }

    @Test("that is not referenced lets the run return", arguments: [false, true]) func unref(usesLibuv: Bool) throws {
        let loop = try Loop()
        var status: ProcessExit?
        let child = try ChildProcess(shell("exec sleep 1000", usesLibuv: usesLibuv), on: loop) { status = $1 }
        child.unref()
        #expect(!loop.run())
        child.ref()
        try child.kill(.kill)
        loop.run()
        #expect(status == .signaled(.kill))
        try loop.close()
    }

    @Test("that was closed reports nothing more", arguments: [false, true]) func closed(usesLibuv: Bool) throws {
        try withLoop { loop in
            let child = try ChildProcess(shell("exit 0", usesLibuv: usesLibuv), on: loop) { _, _ in
                Issue.record("reported")
            }
            child.close()
            child.close()
            #expect(!child.isRunning)
            loop.run()
            #expect(throws: UVError.noProcess) { try child.kill() }
            #expect(waitpid(child.pid, nil, 0) == child.pid)
        }
    }

    @Test("that is detached leads its own session, and its group is killed with it", arguments: [false, true])
    func detached(usesLibuv: Bool) throws {
        try withLoop { loop in
            var configuration = shell(
                "sleep 1000 & echo $!; wait", stdio: [.ignore, .pipe, .ignore], usesLibuv: usesLibuv)
            configuration.flags = [.detached, .hideWindow, .hideWindowConsole, .hideWindowGUI, .verbatimArguments]
            var status: ProcessExit?
            let child = try ChildProcess(configuration, on: loop) { status = $1 }
            #expect(getsid(child.pid) == child.pid)
            #expect(getpgid(child.pid) == child.pid)
            var output: [UInt8] = []
            var isEnded = false
            // The stream ends when the grandchild, which holds its other end too, is gone.
            try child.streams[1]?.readStart(
                onBytes: { _, bytes in bytes.withUnsafeBytes { output.append(contentsOf: $0) } },
                onEnd: { stream, _ in
                    isEnded = true
                    stream.close()
                },
            )
            try run(loop) { output.last == UInt8(ascii: "\n") }
            try child.killGroup(.kill)
            try run(loop) { isEnded && status != nil }
            #expect(status == .signaled(.kill))
        }
    }

    @Test("that is detached survives its parent") func survives() throws {
        let helper = try siblingExecutable("uvloop-test-helper")
        let result = try runProgram(helper, ["detach", helper])
        #expect(result.status == .exited(code: 0), "\(result.output)")
        let pid = try #require(Int32(result.output.split(separator: "\n").first ?? ""))
        #expect(Processes.liveness(of: pid) == .alive)
        #expect(getsid(pid) == pid)
        try Processes.send(.kill, to: pid)
    }

    @Test("is signalled where a sandbox refuses to do it through a pidfd") func refusedPidfdSignal() throws {
        try expectScenario("refused-pidfd-signal")
    }

    @Test("whose watch the loop closes tells its owner, once, and not its exit") func canceled() throws {
        try withLoop { loop in
            var events: [String] = []
            let child = try ChildProcess(.init(executable: "sleep", arguments: ["1000"]), on: loop) { _, _ in
                events.append("exit")
            }
            child.onCanceled = { child in
                events.append("canceled")
                #expect(!child.isRunning)
            }
            loop.closeHandles()
            #expect(events.isEmpty)
            loop.run()
            #expect(events == ["canceled"])
            #expect(throws: UVError.noProcess) { try child.kill() }
            try Processes.send(.kill, to: child.pid)
            var status: CInt = 0
            #expect(waitpid(child.pid, &status, 0) == child.pid)
        }
    }
}
