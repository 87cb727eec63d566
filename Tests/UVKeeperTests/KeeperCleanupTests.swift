import TestSupport
import Testing

@testable import UVKeeper

/// What is removed after dead keepers, and what is left alone.
@Suite struct KeeperCleanupTests {

    @Test("what is no file but has a pid file's name is left alone and hurts nobody")
    func noFiles() throws {
        try withWorld { world throws in
            let directory = world.paths.directory
            try Files.makeDirectory(at: directory + "/directory.rpc.sock.pid")
            try Files.makeDirectory(at: directory + "/inner.rpc.sock.pi-pid")
            try Files.makeDirectory(at: directory + "/socket.rpc.sock")
            try world.write("1", to: directory + "/socket.rpc.sock.pid")
            try world.write("1", to: directory + "/inner.rpc.sock.pid")
            try world.write("precious", to: world.path("precious"))
            let made = [
                try world.start(["mkfifo", directory + "/fifo.rpc.sock.pid"]),
                try world.start(["ln", "-s", world.path("precious"), directory + "/link.rpc.sock.pid"]),
                try world.start(["ln", "-s", "/nowhere", directory + "/dangling.rpc.sock"]),
            ]
            try world.write("1", to: directory + "/dangling.rpc.sock.pid")
            try world.eventually { !made.contains(where: \.isRunning) }
            let found = try world.discover()
            #expect(found.keepers.isEmpty)
            #expect(found.removed.map(\.rawValue) == ["dangling", "inner"])
            #expect(world.text("precious") == "precious")
            #expect(
                try world.sessionFiles() == [
                    "directory.rpc.sock.pid", "fifo.rpc.sock.pid", "inner.rpc.sock.pi-pid", "link.rpc.sock.pid",
                    "socket.rpc.sock", "socket.rpc.sock.pid",
                ])
        }
    }

    @Test("temporary files older than a minute are removed, young ones and listening ones stay")
    func temporaries() throws {
        try withWorld { world throws in
            let directory = world.paths.directory
            try Files.makeDirectory(at: directory)
            let names = [
                "s1.rpc.sock.pid.abcde.tmp", "s1.rpc.sock.pi-pid.fghij.tmp", "young.rpc.sock.pid.klmno.tmp", "x.tmp",
            ]
            for name in names { try world.write("1", to: "\(directory)/\(name)") }
            let stale = try PipeListener(bindingTo: "\(directory)/.abcde.s", on: world.loop)
            stale.close()
            let live = try Listener(.confirm, at: "\(directory)/.fghij.s", in: world)
            let old = names.dropLast(2) + [".abcde.s", ".fghij.s"]
            let touch = try world.start(["touch", "-d", "2020-01-01"] + old.map { "\(directory)/\($0)" })
            try world.eventually { !touch.isRunning }
            _ = try world.discover()
            #expect(try world.sessionFiles() == [".fghij.s", "x.tmp", "young.rpc.sock.pid.klmno.tmp"])
            #expect(SocketProbe(live.path) == .accepting(pid: CurrentProcess.id))
        }
    }
}
