import Libc
import TestSupport
import Testing
import UVLoop

@Suite("The tree of processes") struct ProcessTreeTests {
    /// Runs a script whose processes write their pids, in order, to a file, and `body` once `count` of them are there.
    private func withScript(
        _ script: String, count: Int, _ body: (_ root: Int32, _ pids: [Int32]) throws -> Void
    ) throws {
        try withTemporaryDirectory { directory in
            try withLoop { loop in
                let child = try ChildProcess(
                    .init(
                        executable: "bash", arguments: ["-c", script], workingDirectory: directory, flags: .detached),
                    on: loop
                ) { _, _ in }
                var pids: [Int32] = []
                while pids.count < count {
                    let text = (try? Files.read("\(directory)/pids", limit: 1000)) ?? []
                    pids = text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).dropLast()
                        .compactMap { Int32(String(decoding: $0, as: UTF8.self)) }
                }
                try body(child.pid, pids)
                for pid in pids { try? Processes.send(.kill, to: pid) }
                try child.kill(.kill)
            }
        }
    }

    @Test("has everything below a process, parents first, and not the process itself") func descendants() throws {
        let script = """
            bash -c 'echo $$ >>pids; sleep 1000 & echo $! >>pids; wait' & wait
            """
        try withScript(script, count: 2) { root, pids in
            #expect(ProcessTree.descendants(of: root).map(\.pid) == pids)
            #expect(ProcessTree.descendants(of: pids[1]).isEmpty)
            #expect(ProcessTree.descendants().map(\.pid).contains(pids[1]))
            #expect(ProcessTree.descendants(of: .max).isEmpty)
        }
    }

    @Test("a visit that has no time sees one process in each part of it, and each once") func parts() throws {
        let script = """
            bash -c 'echo $$ >>pids; sleep 1000 & echo $! >>pids; wait' & wait
            """
        try withScript(script, count: 2) { root, pids in
            var walk = ProcessWalk(root: root)
            var (seen, parts): ([Int32], Int) = ([], 0)
            var visit: ProcessTree.Visit?
            while visit == nil {
                let before = seen.count
                visit = walk.run(until: .zero, leavingOut: { _ in false }) { seen.append($0.pid) }
                #expect(seen.count <= before + 1)
                parts += 1
            }
            #expect(visit == .complete)
            #expect(seen == pids)
            #expect(parts > pids.count)
        }
    }

    @Test("has a process that has left its session, unless that is left out with all below it") func apart() throws {
        let script = """
            setsid bash -c 'echo $$ >>pids; sleep 1000 & echo $! >>pids; wait' & wait
            """
        try withScript(script, count: 2) { root, pids in
            #expect(ProcessTree.descendants(of: root).map(\.pid).suffix(2) == pids[...])
            let others = ProcessTree.descendants(of: root, leavingOut: { $0 == pids[0] }).map(\.pid)
            #expect(!others.contains(pids[0]) && !others.contains(pids[1]))
            #expect(!ProcessTree.descendants(of: root, leavingOut: { $0 == pids[1] }).map(\.pid).contains(pids[1]))
        }
    }

    @Test("the members of a session are found although their parent has ended") func orphans() throws {
        // The inner shell ends at once, and its child is adopted by a process outside of the test.
        try withScript("bash -c 'sleep 1000 & echo $! >>pids'; sleep 1000 & echo $! >>pids; wait", count: 2) {
            root, pids in
            let members = ProcessTree.members(ofSessions: [root])
            #expect(Set((members[root] ?? []).map(\.pid)) == Set(pids))
            #expect(ProcessTree.members(ofSessions: []).isEmpty)
        }
    }

    @Test("a pid namespace that shows another one's /proc shows nothing") func foreignProc() throws {
        let helper = try siblingExecutable("uvloop-test-helper")
        guard try runProgram("unshare", ["--pid", "--fork", "true"]).status == .exited(code: 0) else { return }
        let result = try runProgram("unshare", ["--pid", "--fork", helper, "foreign-proc"])
        #expect(result.status == .exited(code: 0), "\(result.output)")
    }

    @Test("the children of a process are found while threads of it come and go") func churningThreads() throws {
        try withLoop { loop in
            var isReady = false
            let child = try ChildProcess(
                .init(
                    executable: siblingExecutable("uvloop-test-helper"), arguments: ["churn-threads"],
                    stdio: [.ignore, .pipe, .descriptor(2)]),
                on: loop
            ) { _, _ in }
            try child.streams[1]!.readStart(onBytes: { _, _ in isReady = true }, onEnd: { stream, _ in stream.close() })
            try run(loop) { isReady }
            let sleeper = try #require(ProcessTree.descendants(of: child.pid).first)
            for _ in 0..<500 {
                #expect(ProcessTree.descendants(of: child.pid).map(\.pid) == [sleeper.pid])
            }
            try sleeper.send(.kill)
            try child.kill(.kill)
        }
    }

    @Test("what a process leaves behind that ends during a look is met by the next look") func adopted() throws {
        for scenario in ["adopted-during-look", "adopted-while-looking-for-any"] {
            try withTemporaryDirectory { try expectScenario(scenario, $0) }
        }
    }

    @Test("a child of another user is found where /proc hides it") func hiddenChild() throws {
        let helper = try siblingExecutable("uvloop-test-helper")
        let unshare = ["--mount", "--pid", "--fork", "sh", "-c"]
        let mount = "mount -t proc -o hidepid=2 proc /proc && "
        guard getuid() == 0, try runProgram("unshare", unshare + [mount + "true"]).status == .exited(code: 0)
        else { return }
        let result = try runProgram("unshare", unshare + [mount + "\"$1\" hidden-child", "sh", helper], leaks: true)
        #expect(result.status == .exited(code: 0), "\(result.output)")
    }
}
