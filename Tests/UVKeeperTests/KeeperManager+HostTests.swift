import KeeperProtocol
import TestSupport
import Testing

@testable import UVKeeper

/// A manager in a host of its own: what that does and what becomes of it.
@Suite struct KeeperManagerHostTests {
    @Test("a host that collects the status of every child can kill its keepers all the same")
    func reapingHost() throws {
        try withWorld { world throws in
            let lines = try world.host("reap", world.paths.directory + "x", "s1", BuiltProducts.sidecar)
            #expect(lines == ["killed true", "ended", "killed false"])
        }
    }

    @Test("a keeper survives the death of its host, by SIGKILL and by exit", arguments: [true, false])
    func hostDies(_ isKilled: Bool) throws {
        try withWorld { world throws in
            try Files.makeDirectory(at: world.paths.directory)
            let host = try HostProcess(
                ["spawn", world.paths.directory, "s1", "accepting", BuiltProducts.sidecar, "0"], in: world)
            let pid = try host.keeperPID()
            if isKilled { try host.child.kill(.kill) }
            _ = try host.end()
            #expect(host.child.exitStatus == (isKilled ? .signaled(.kill) : .exited(code: 0)))
            let found = try world.discover()
            #expect(found.keepers.map(\.keeperPID) == [pid])
            #expect(try world.outcome("still here", "s1") == .written)
            try world.eventually { world.text("s/out") == "still here\n" }
            #expect(world.manager.killKeeper(for: "s1"))
            try world.eventually { Processes.liveness(of: pid) == .gone }
        }
    }

    @Test("a host can be its own sidecar, many open descriptors or not", arguments: [0, 500])
    func ownSidecar(_ descriptors: Int) throws {
        try withWorld { world throws in
            try Files.makeDirectory(at: world.paths.directory)
            let host = try HostProcess(
                ["spawn", world.paths.directory, "s1", "accepting", "self", "\(descriptors)"], in: world)
            let pid = try host.keeperPID()
            #if os(Linux)
            let count = try Files.names(inDirectory: "/proc/\(pid)/fd").count
            // Three of them are kept back for its end.
            #expect(count < 23, "\(count) descriptors")
            let child = try world.childPID("s1")
            // The shell has another one for a moment.
            try world.eventually { try Files.names(inDirectory: "/proc/\(child)/fd") == ["0", "1", "2"] }
            #endif
            #expect(try world.outcome("x", "s1") == .written)
            _ = try host.end()
            _ = try world.discover()
            #expect(world.manager.killKeeper(for: "s1"))
            try world.eventually { Processes.liveness(of: pid) == .gone }
        }
    }

    @Test("a keeper costs its host one descriptor until it has settled")
    func descriptors() throws {
        try withWorld { world throws in
            let lines = try world.host("descriptors", world.paths.directory, "s1", BuiltProducts.sidecar)
            #expect(lines == ["more 1", "left 0"])
        }
    }
}
