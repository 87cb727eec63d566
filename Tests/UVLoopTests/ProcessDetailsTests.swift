import Libc
import TestSupport
import Testing
import UVLoop

@Suite("Details of a process") struct ProcessDetailsTests {
    @Test("tell parent, start and arguments") func details() throws {
        try withLoop { loop in
            let before = ProcessDetails.uptime
            let child = try ChildProcess(.init(executable: "sleep", arguments: ["1000", "0"]), on: loop) { _, _ in }
            let details = try #require(ProcessDetails(of: child.pid))
            #expect(details.parent == getpid())
            #expect(!details.isZombie)
            // Both clocks are coarse.
            #expect(details.startTime > before - .seconds(1))
            #expect(details.startTime < ProcessDetails.uptime + .seconds(1))
            #expect(ProcessDetails(of: child.pid)?.startTime == details.startTime)
            // Linux lets the parent go on a moment before the new program's arguments can be read.
            try run(loop) { ProcessDetails.arguments(of: child.pid) != [] }
            #expect(ProcessDetails.arguments(of: child.pid) == ["sleep", "1000", "0"])
            try child.kill(.kill)
        }
        #expect(try #require(ProcessDetails(of: getpid())).residentMemory > 1 << 20)
    }

    @Test("tell whether it wants a processor, waits, or is stopped") func states() throws {
        try withLoop { loop in
            let child = try ChildProcess(
                .init(executable: "sh", arguments: ["-c", "while :; do :; done"]), on: loop
            ) { _, _ in }
            try run(loop) { ProcessDetails(of: child.pid)?.isRunnable == true }
            try child.kill(.stop)
            try run(loop) { ProcessDetails(of: child.pid)?.isStopped == true }
            #expect(ProcessDetails(of: child.pid)?.isRunnable == false)
            try child.kill(.kill)
            let waiting = try ChildProcess(.init(executable: "sleep", arguments: ["1000"]), on: loop) { _, _ in }
            try run(loop) { ProcessDetails(of: waiting.pid).map { !$0.isRunnable && !$0.isStopped } == true }
            try waiting.kill(.kill)
        }
    }

    @Test("are nil for what is no process") func missing() {
        for pid: Int32 in [0, -1, .max] {
            #expect(ProcessDetails(of: pid) == nil)
            #expect(ProcessDetails.arguments(of: pid) == nil)
        }
    }

    @Test("are read right past a name with spaces and parentheses") func strangeName() throws {
        try withTemporaryDirectory { directory in
            let name = directory + "/a) Z (b"
            // The program is copied by another process; see `writeExecutable`.
            try #require(runProgram("cp", [Files.realPath(of: "/bin/sleep"), name]).status == .exited(code: 0))
            try withLoop { loop in
                let child = try ChildProcess(.init(executable: name, arguments: ["1000"]), on: loop) { _, _ in }
                #expect(ProcessDetails(of: child.pid)?.parent == getpid())
                #expect(ProcessDetails(of: child.pid)?.isZombie == false)
                try child.kill(.kill)
            }
        }
    }

    @Test("a process whose main thread has ended has not ended while another one runs") func endedMainThread() throws {
        try withLoop { loop in
            var status: ProcessExit?
            var environment = ProcessEnvironment.current
            // The memory of the ended thread's stack counts as a leak.
            environment["ASAN_OPTIONS"] = "detect_leaks=0"
            let child = try ChildProcess(
                .init(
                    executable: siblingExecutable("uvloop-test-helper"), arguments: ["end-main-thread"],
                    environment: environment, stdio: [.pipe, .ignore, .descriptor(2)]),
                on: loop
            ) { status = $1 }
            let identity = try #require(ProcessIdentity(of: child.pid))
            // The kernel calls the process a zombie.
            try run(loop) {
                String(decoding: try! Files.read("/proc/\(child.pid)/stat", limit: 4096), as: UTF8.self).contains(
                    ") Z ")
            }
            #expect(ProcessDetails(of: child.pid)?.isZombie == false)
            #expect(identity.isRunning)
            #expect(Processes.liveness(of: child.pid) == .alive)
            #expect(ProcessTree.descendants().map(\.pid).contains(child.pid))
            child.streams[0]!.close()
            try run(loop) { status != nil }
            #expect(status == .exited(code: 7))
            #expect(!identity.isRunning)
        }
    }
}
