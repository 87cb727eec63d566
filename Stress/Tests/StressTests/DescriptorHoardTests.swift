import TestSupport
import Testing
import UVKeeper

@testable import uvkeeper_stress

@Suite(.enabled(if: DescriptorHoard.reachesOthers, "this system limits no other process"))
struct DescriptorHoardTests {
    @Test("a keeper without descriptors leaves clients in its backlog, and serves them when it has them again")
    func keeper() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady()
            let before = try KeeperClient(to: keeper.socket, on: home.loop)
            before.write("one\n")
            try home.until("the first line arrives") { home.text() == "one\n" }
            let hoard = try DescriptorHoard(of: keeper.pid)
            let client = try KeeperClient(to: keeper.socket, on: home.loop)
            client.write("three\n")
            client.finish()
            try home.until("the keeper cannot accept") { keeper.log.contains("cannot accept clients for now") }
            before.write("two\n")
            try home.until("who is connected is served") { home.text() == "one\ntwo\n" }
            try home.until("the other one has sent its line") { client.hasSentAll }
            #expect(!client.isEnded)
            try hoard.release()
            try home.until("the other one is confirmed") { client.isEnded }
            #expect(client.error == nil)
            try home.until("its line arrives") { home.text() == "one\ntwo\nthree\n" }
            before.close()
        }
    }

    @Test("a process gets back the limit it had, and one that has ended is an error") func release() throws {
        try withLoop { loop in
            let child = try ChildProcess(
                .init(executable: "/bin/sleep", arguments: ["600"], stdio: [.ignore, .ignore, .ignore]), on: loop
            ) { child, _ in
                #expect(throws: UVError.noProcess) { try DescriptorHoard(of: child.pid) }
            }
            let figures = ProcessFigures(of: child.pid)
            let before = try #require(figures.limit("Max open files"))
            let hoard = try DescriptorHoard(of: child.pid)
            #expect(figures.limit("Max open files") == ["3", before[1]])
            try hoard.release()
            #expect(figures.limit("Max open files") == before)
            try child.kill(.kill)
        }
    }
}
