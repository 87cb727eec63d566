import TestSupport
import Testing
import UVKeeper

@testable import uvkeeper_stress

@Suite struct RunDirectoryTests {
    @Test("what a discovery is removing, and has locked for that, is not abandoned; anything else is")
    func abandoned() throws {
        let run = try RunDirectory.make()
        defer { run.remove() }
        try Files.makeDirectory(at: run.sessions)
        for name in ["a1", "a2", "b1"] {
            for end in ["", ".pid", ".pi-pid"] { try write("\(run.sessions)/\(name).rpc.sock\(end)") }
        }
        try write("\(run.sessions)/a3.rpc.sock")
        let everything = try run.leftovers().filter { $0.hasPrefix("a") }
        #expect(try run.abandoned("a") == everything)
        #expect(try run.abandoned("c").isEmpty)
        let removing = try OpenFile("\(run.sessions)/a2.rpc.sock.pid", .readWrite)
        #expect(try removing.lockForDescription())
        #expect(try run.abandoned("a") == everything.filter { !$0.hasPrefix("a2") })
        removing.close()
        // A child that another test starts has the description until its exec.
        try withLoop { loop in try TestSupport.run(loop) { try run.abandoned("a") == everything } }
        #expect(try run.abandoned("a") == everything)
    }

    @Test("what a keeper holds locked is not being removed") func lockedByKeeper() throws {
        let run = try RunDirectory.make()
        defer { run.remove() }
        try Files.makeDirectory(at: run.sessions)
        let file = try OpenFile("\(run.sessions)/a.rpc.sock.pid", .createNew)
        #expect(try file.lockForProcess())
        // This process's own locks show through another description only as those of a process.
        #expect(try run.abandoned("a") == ["a.rpc.sock.pid"])
    }

    private func write(_ path: String) throws { try OpenFile(path, .createNew).close() }
}
