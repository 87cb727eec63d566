import TestSupport
import Testing
import UVKeeper

@Suite struct ProcessTerminationTests {
    private func kill(
        _ pid: Int32, group: Bool = false, grace: Duration = .seconds(60), in world: World
    ) throws -> KillResult {
        try world.result { done in
            Processes.killProcess(pid, group: group, grace: grace, on: world.loop, completion: done)
        }
    }

    @Test("a process that ends on SIGTERM has ended")
    func ends() throws {
        try withWorld { world throws in
            let child = try world.start(["sleep", "100"])
            #expect(try kill(child.pid, in: world) == .ended)
            try world.eventually { !child.isRunning }
            #expect(child.exitStatus == .signaled(.terminate))
            #expect(try kill(child.pid, in: world) == .ended, "gone already")
        }
    }

    @Test("a process that ignores SIGTERM is killed after the grace")
    func killed() throws {
        try withWorld { world throws in
            let host = try HostProcess(["stubborn"], in: world)
            #expect(try host.lines(1) == ["ready"])
            let start = SystemClock.monotonicTime
            #expect(try kill(host.child.pid, grace: .milliseconds(50), in: world) == .killed)
            #expect(SystemClock.monotonicTime - start >= .milliseconds(50))
            _ = try host.end()
            #expect(host.child.exitStatus == .signaled(.kill))
        }
    }

    @Test("a group ends as a whole")
    func group() throws {
        try withWorld { world throws in
            let leader = try world.start(["sh", "-c", "sleep 100 & echo $! > pid; wait"], detached: true)
            try world.eventually { world.text("pid").hasSuffix("\n") }
            let member = try #require(Int32(world.text("pid").dropLast()))
            world.own(member)
            #expect(try kill(leader.pid, group: true, in: world) == .ended)
            try world.eventually { Processes.liveness(of: member) == .gone }
        }
    }

    @Test("a process that leads no group is ended alone")
    func noGroup() throws {
        try withWorld { world throws in
            let child = try world.start(["sleep", "100"])
            #expect(try kill(child.pid, group: true, in: world) == .ended)
            try world.eventually { !child.isRunning }
            #expect(child.exitStatus == .signaled(.terminate))
        }
    }

    @Test("pids below 2 are never signalled", arguments: [1, 0, -1, -2, Int32.min])
    func notOurs(_ pid: Int32) throws {
        try withWorld { world throws in
            #expect(try kill(pid, grace: .zero, in: world) == .notPermitted)
            #expect(try kill(pid, group: true, grace: .zero, in: world) == .notPermitted)
        }
    }

    @Test(
        "another user's process is alive and may not be killed",
        .enabled(if: World.isRoot, "only root can become another user"))
    func otherUser() throws {
        try withWorld { world throws in
            let child = try world.start(["sleep", "100"])
            let lines = try world.host("unprivileged", "\(child.pid)")
            #expect(lines == ["alive true notPermitted", "kill notPermitted"])
            #expect(child.isRunning)
        }
    }

    @Test("a zombie, and a pid nobody has, are not alive")
    func notAlive() {
        #expect(Processes.liveness(of: Int32.max) == .gone)
        #expect(Processes.liveness(of: 0) == .gone)
        #expect(Processes.liveness(of: -1) == .gone)
        #expect(Processes.liveness(of: CurrentProcess.id) != .gone)
    }

    @Test("killing is given up when the loop closes everything, and told once", arguments: [false, true])
    func handlesClosed(_ isUnderWay: Bool) throws {
        try withWorld { world throws in
            let child = try world.start(["sh", "-c", "trap '' TERM; echo > ready; while :; do sleep 0.1; done"])
            try world.eventually { world.exists(world.path("ready")) }
            var results: [KillResult] = []
            Processes.killProcess(child.pid, grace: .seconds(Int64.max), on: world.loop) { results.append($0) }
            if isUnderWay { try world.run(for: .milliseconds(30)) }
            world.loop.closeHandles()
            #expect(results.isEmpty)
            try world.eventually { !results.isEmpty }
            try world.run(for: .milliseconds(20))
            #expect(results == [.canceled])
        }
    }
}
