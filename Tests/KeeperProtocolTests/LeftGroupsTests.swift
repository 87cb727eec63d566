import TestSupport
import Testing
import UVLoop

@testable import KeeperProtocol

/// The removal of real control groups that sessions have left.
@Suite("Groups that are left", .enabled(if: Posix.isRoot, "only root can make control groups"))
struct LeftGroupsTests {
    private static let epoch = "0123456789abcdef"

    private func withGroup(_ body: (TestControlGroup) throws -> Void) throws {
        let isPossible = try TestControlGroup.with(body)
        if !isPossible { withKnownIssue("skipped: no control groups of version 2 can be made here") { Issue.record() } }
    }

    private func remove(_ controlGroup: String?, session: String = "s", epoch: String = epoch) {
        var record = SessionRecord(
            session: session, epoch: epoch, bootID: "", keeper: .init(pid: 1, startTicks: nil), cwd: "", startedAt: "")
        record.controlGroup = controlGroup
        LeftGroups.remove(of: record)
    }

    @Test("the group of a record's session goes with all below it, and no other group does")
    func removes() throws {
        try withGroup { group in
            let name = LeftGroups.name("s", Self.epoch)
            for below in ["", "/child", "/child/deep", "/keeper", "/beside"] { _ = try group.make(name + below) }
            remove(nil)
            remove("\(group.name)/\(name)", session: "t")
            remove("\(group.name)/\(name)", epoch: "0123456789abcdee")
            for path in [
                "\(group.name)/\(name)/child", "\(group.name)/\(name)/../\(name)", "\(group.name.dropFirst())/\(name)",
                "\(group.name)/\(name).scope", group.name, "/", "",
            ] { remove(path) }
            #expect(group.names(except: "") == [name])
            #expect(Files.exists("\(group.path)/\(name)/child/deep"))
            remove("\(group.name)/\(name)")
            #expect(group.names(except: "") == [])
        }
    }

    @Test("a group with a process in it, or below, stays whole")
    func leavesUsed() throws {
        try withGroup { group in
            let name = LeftGroups.name("s", Self.epoch)
            for below in ["", "/child", "/empty"] { _ = try group.make(name + below) }
            try withLoop { loop in
                var hasEnded = false
                let sleep = try ChildProcess(
                    .init(executable: "/bin/sleep", arguments: ["1000"], stdio: [.ignore, .ignore, .ignore]), on: loop
                ) { _, _ in hasEnded = true }
                try TestControlGroup.put(sleep.pid, into: "\(group.path)/\(name)/child")
                remove("\(group.name)/\(name)")
                #expect(Files.exists("\(group.path)/\(name)/empty") && Files.exists("\(group.path)/\(name)/child"))
                try sleep.kill(.kill)
                try run(loop) { hasEnded }
                remove("\(group.name)/\(name)")
                #expect(group.names(except: "") == [])
            }
        }
    }

    @Test("an ordinary directory is no group, whatever its name and its files")
    func leavesDirectories() throws {
        try withTemporaryDirectory { directory in
            try Files.makeDirectory(at: "\(directory)/below")
            LeftGroups.removeTree(directory)
            #expect(Files.exists("\(directory)/below"))
        }
    }
}
