import TestSupport
import Testing

@testable import UVKeeper

@Suite struct KeeperManagerOpeningTests {
    @Test("a session that is not there is started, and takes lines")
    func starts() throws {
        try withWorld { world throws in
            guard case .started(let keeper) = try world.open("s1").get().way else { throw Adopted() }
            #expect(keeper.session == "s1" && keeper.isRunning)
            #expect(try world.outcome("x", "s1") == .written)
        }
    }

    @Test("a session that lives is adopted, and can be told to end")
    func adopts() throws {
        try withWorld { world throws in
            let keeper = try world.spawn("s1")
            _ = try world.spawn("s2")
            let other = try world.otherManager()
            let opened = try world.open("s1", by: other).get()
            guard case .adopted(let entry) = opened.way else { throw Adopted() }
            #expect(entry.childPID == (try world.childPID("s1")))
            #expect(opened.session.id == "s1" && opened.keeperPID == keeper.pid)
            #expect(other.tracked.keys.elementsEqual(["s1"]))
            #expect(other.killKeeper(for: "s1"))
            try world.eventually { !keeper.isRunning }
        }
    }

    @Test("a session that is opened many times at once is started once, and adopted by the others")
    func atOnce() throws {
        try withWorld { world throws in
            var results: [Result<OpenSession, KeeperError>] = []
            for _ in 0..<20 {
                world.manager.open("s1", in: world.root, SpawnOptions(command: ["cat"])) { results.append($0) }
            }
            // A failure is that of all who ask for the same.
            var failures: [KeeperError] = []
            for command in ["/nowhere", "/nowhere", "cat"] {
                world.manager.open("s2", in: world.root, SpawnOptions(command: [command])) {
                    if case .failure(let error) = $0 { failures.append(error) } else { results.append($0) }
                }
            }
            try world.eventually { results.count == 21 && failures.count == 2 }
            for id in ["s1", "s2"] { _ = try world.stop(id, .now) }
            _ = results.remove(at: try #require(results.firstIndex { (try? $0.get().session.id) == "s2" }))
            let ways = results.compactMap { try? $0.get() }.map { if case .started = $0.way { true } else { false } }
            #expect(ways == [true] + [Bool](repeating: false, count: 19) && world.manager.queuedOpenings.isEmpty)
            #expect(Set(results.compactMap { try? $0.get().keeperPID }).count == 1)
        }
    }

    @Test("a session that is opened while its keeper ends is adopted or started, and never taken")
    func ending() throws {
        try withWorld { world throws in
            for _ in 0..<5 {
                _ = try world.open("s1").get()
                // The child of the last opening may be the one that has been killed.
                try? Processes.send(.kill, to: try world.childPID("s1"))
                for _ in 0..<20 { _ = try world.open("s1").get() }
            }
        }
    }

    @Test("a session whose keeper has ended, and whose process has not yet, is started and not taken")
    func lingering() throws {
        try withWorld { world throws in
            // The sidecar is started by a script, which ends when a file comes.
            let end = world.root + "/end"
            let script = #""$0" "$@"; while [ -d "\#(world.root)" ] && ! [ -e "\#(end)" ]; do sleep 0.01; done"#
            let other = try world.otherManager {
                $0.sidecar = SidecarCommand(["sh", "-c", script] + ($0.sidecar?.argv ?? []))
            }
            _ = try world.open("s1", by: other).get()
            try Processes.send(.kill, to: try world.childPID("s1"))
            let finding = { try KeeperInspection.finding(SessionID("s1"), paths: world.paths) }
            try world.eventually { try finding() == .absent }
            #expect(other.tracked["s1"]?.process?.isRunning == true)
            var opened: Result<OpenSession, KeeperError>?
            other.open("s1", in: world.root, SpawnOptions(command: ["cat"])) { opened = $0 }
            #expect(other.secondLooks.count == 1)
            try world.write("", to: end)
            try world.eventually { opened != nil }
            guard case .started? = try opened?.get().way else { throw Adopted() }
            _ = try world.stop("s1", .now)
        }
    }

    @Test("a session that is opened while it is stopped is started anew once that is done")
    func stopping() throws {
        try withWorld { world throws in
            // The child ends with its input alone, and that only when a file comes.
            let end = world.root + "/end"
            let script = #"trap "" TERM; cat > /dev/null; until [ -e "\#(end)" ]; do sleep 0.01; done"#
            let first = try world.open("s1", command: ["sh", "-c", script]).get()
            var isStopped = false
            let ladder = StopLadder(endOfInput: hangTimeout, terminate: hangTimeout)
            world.manager.session("s1").stop(ladder) { _, _ in isStopped = true }
            try world.eventually { !world.exists(world.paths.socket(for: "s1")) }
            var opened: Result<OpenSession, KeeperError>?
            let other = try world.otherManager()
            other.open("s1", in: world.root, SpawnOptions(command: ["cat"], deadline: hangTimeout)) { opened = $0 }
            try world.eventually { !other.starts.isEmpty }
            #expect(opened == nil && !isStopped)
            try world.write("", to: end)
            try world.eventually { opened != nil && isStopped }
            guard case .started(let keeper)? = try opened?.get().way else { throw Adopted() }
            world.own(keeper.pid, keeper.process.startTime)
            #expect(keeper.pid != first.keeperPID)
            #expect(try world.result { other.session("s1").write("x", completion: $0) } == .written)
        }
    }

    @Test("a session that is opened as soon as its end is told is started anew")
    func reopened() throws {
        try withWorld { world throws in
            let options = SpawnOptions(command: ["cat"], deadline: hangTimeout)
            for number in 0..<8 {
                let id = "s\(number)"
                _ = try world.open(id, command: ["sh", "-c", "read line"]).get()
                let session = world.manager.session(try world.session(id))
                var opened: Result<OpenSession, KeeperError>?
                let again = { world.manager.open(session.id, in: world.root, options) { opened = $0 } }
                if number % 2 == 0 {
                    func more() {
                        session.write("more", deadline: .untilSessionEnds) { outcome in
                            // Its stdin is closed a moment before the child is seen to have ended.
                            outcome == .refused(.sessionEnded(session.id)) ? again() : more()
                        }
                    }
                    more()
                } else {
                    session.onEnd = { _ in again() }
                }
                session.write("go") { _ in }
                try world.eventually { opened != nil }
                guard case .started(let keeper)? = try opened?.get().way else { throw Adopted() }
                world.own(keeper.pid, keeper.process.startTime)
                let outcome = try world.result { session.write("x", deadline: .untilSessionEnds, completion: $0) }
                #expect(outcome == .written)
            }
        }
    }

    @Test("what a dead keeper has left is replaced")
    func replaces() throws {
        try withWorld { world throws in
            try Files.makeDirectory(at: world.paths.directory)
            try world.write("999999999", to: world.paths.keeperPID(for: "s1"))
            try world.write("", to: world.paths.socket(for: "s1"))
            guard case .started = try world.open("s1").get().way else { throw Adopted() }
            #expect(try world.outcome("x", "s1") == .written)
        }
    }

    @Test(
        "a dead session whose files somebody cleans up just then is not taken for a living one; a close ends the wait")
    func cleanedUp() throws {
        try withWorld { world throws in
            let host = try world.lockedPIDFile(of: "s1")
            let other = try world.otherManager()
            var closed: Result<OpenSession, KeeperError>?
            other.open("s1", in: world.root) { closed = $0 }
            #expect(other.secondLooks.count == 1)
            other.close()
            try world.eventually { closed != nil }
            #expect(throws: KeeperError.closed) { try closed?.get() }
            // The lock is let go of while the session is opened.
            var opened: Result<OpenSession, KeeperError>?
            world.manager.open("s1", in: world.root, SpawnOptions(command: ["cat"])) { opened = $0 }
            #expect(opened == nil && world.manager.secondLooks.count == 1)
            _ = try host.end()
            try world.eventually { opened != nil }
            // On a starved machine the second may have passed before the host has ended.
            guard case .started(let keeper) = try opened!.get().way else { return }
            world.own(keeper.pid)
            #expect(try world.outcome("x", "s1") == .written)
        }
    }

    @Test("a keeper that has not noticed the end of its child is ended, and the session started anew")
    func deadChild() throws {
        try withWorld { world throws in
            let keeper = try world.spawn("s1")
            try world.killChildUnnoticed(by: keeper)
            let other = try world.otherManager()
            guard case .started(let next) = try world.open("s1", by: other).get().way else { throw Adopted() }
            #expect(!keeper.isRunning && next.pid != keeper.pid)
        }
    }

    @Test("a session that two open at once is started by one, and adopted by the other")
    func race() throws {
        try withWorld { world throws in
            let other = try world.otherManager()
            let options = SpawnOptions(command: ["cat"], deadline: hangTimeout)
            var results: [Result<OpenSession, KeeperError>] = []
            for manager in [world.manager, other] {
                manager.open("s1", in: world.root, options) { results.append($0) }
            }
            try world.eventually { results.count == 2 }
            let opened = try results.map { try $0.get() }
            var started = 0
            for case .started(let keeper) in opened.map(\.way) {
                world.own(keeper.pid, keeper.process.startTime)
                started += 1
            }
            #expect(started == 1)
            #expect(opened[0].keeperPID == opened[1].keeperPID)
            #expect(try world.outcome("x", "s1") == .written)
        }
    }

    @Test("a session that cannot be opened has the words of its start, and a closed manager opens none")
    func failures() throws {
        try withWorld { world throws in
            guard case .failure(.unusable) = try world.open("s1", command: ["/nowhere"]) else { throw Adopted() }
            guard case .failure(.invalidSession("a/b", _)) = try world.open("a/b") else { throw Adopted() }
            let other = try world.otherManager()
            other.close()
            guard case .failure(.closed) = try world.open("s1", by: other) else { throw Adopted() }
            #expect(try world.sessionFiles().isEmpty)
        }
    }

    private struct Adopted: Error {}
}

extension World {
    fileprivate func open(
        _ id: String, by manager: KeeperManager? = nil, command: [String] = ["cat"],
    ) throws -> Result<OpenSession, KeeperError> {
        let options = SpawnOptions(command: command, deadline: hangTimeout)
        let result = try result { (manager ?? self.manager).open(id, in: root, options, completion: $0) }
        if case .success(let opened) = result, case .started(let keeper) = opened.way {
            own(keeper.pid, keeper.process.startTime)
        }
        return result
    }
}
