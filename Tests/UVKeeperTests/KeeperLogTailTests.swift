import TestSupport
import Testing

@testable import UVKeeper

/// What a failed start shows of its keeper's log.
@Suite struct KeeperLogTailTests {

    @Test("a keeper that ends early is reported with its status and the end of its log")
    func endsEarly() throws {
        try withWorld { world throws in
            // It can be executed by all that is known before.
            try writeExecutable("#!/nowhere/interpreter\n", to: world.path("pi"))
            guard case .keeperEnded(let status, let log) = try world.spawnError("s1", command: [world.path("pi")])
            else {
                Issue.record("it started")
                return
            }
            #expect(status == .exited(code: 1))
            #expect(log.contains { $0.contains("pi spawn error") && $0.contains(world.path("pi")) }, "\(log)")
            #expect(log.count <= 8)
            // On a slow machine it may take longer than the crash window, and is another case then: once more.
            for round in 0... {
                let id = "t\(round)"
                let error = try world.spawnError(id, command: ["false"], readiness: .settled)
                if world.text("s/keeper-\(id).log").contains("keeper ready"), round < 100 { continue }
                guard case .keeperEnded(let status, let log) = error else {
                    Issue.record("it settled")
                    return
                }
                #expect(status == .exited(code: 1))
                #expect(log.contains { $0.contains("pi exited code=1 signal=null") }, "\(log)")
                break
            }
        }
    }

    @Test("a keeper that ends before its log is open is reported with its stderr, not with the log of an earlier one")
    func endsBeforeItsLog() throws {
        try withWorld { world throws in
            let keeper = try world.spawn("s1")
            world.manager.killKeeper(for: "s1")
            try world.eventually { !keeper.isRunning }
            try writeExecutable("#!/bin/sh\necho broken sidecar >&2\nexit 7\n", to: world.path("broken"))
            let other = try world.otherManager { $0.sidecar = [world.path("broken")] }
            guard case .failure(let error) = try world.trySpawn("s1", by: other) else {
                Issue.record("it started")
                return
            }
            #expect(error == .keeperEnded(.exited(code: 7), log: ["broken sidecar"]))
        }
    }

    @Test("a keeper that can say nothing, because no log can be written to, is reported with why")
    func noLogs() throws {
        try withWorld { world throws in
            let session = try world.session("s1")
            try Files.makeDirectory(at: world.paths.log(for: session))
            try Files.makeDirectory(at: world.paths.launchLog(for: session))
            guard case .keeperEnded(let status, let log) = try world.spawnError("s1") else {
                Issue.record("it started")
                return
            }
            #expect(status == .exited(code: 2))
            #expect(log.count == 1 && log[0].contains("keeper-launch-s1.log: EISDIR"), "\(log)")
        }
    }
}
