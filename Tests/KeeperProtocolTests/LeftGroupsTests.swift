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

    @Test("beside the group of a record go those of former lives, if they are empty and older than a minute")
    func removesFormer() throws {
        try withGroup { group in
            let names = ["0", "1", "2"].map { LeftGroups.name("s", "000000000000000\($0)") }
            let others = [LeftGroups.name("t", Self.epoch), LeftGroups.name("s-t", Self.epoch), "s"]
            for name in names + others {
                let path = try group.make(name)
                if name != names[1] { try Posix.setModificationTime(1_000_000, of: path) }
            }
            remove("\(group.name)/\(names[2])", epoch: "0000000000000002")
            #expect(Set(group.names(except: "")) == Set(others + [names[1]]))
        }
    }

    @Test("the mount points of the whole hierarchy of version 2 are found, wherever they are")
    func mountPoints() {
        let others = [
            "22 1 0:20 / /proc rw,nosuid - proc proc rw",
            "30 22 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory",
            "31 22 0:27 /a.slice /run/part rw - cgroup2 none rw", #"32 22 0:27 / /run/a\040b rw - cgroup2 none rw"#,
            "33 22 8:1 / /cgroup2 rw - ext4 cgroup2 rw", "34 22 0:27 / /cut", "-", "", "- cgroup2 / / / / /x",
            "35 - cgroup2",
            "36 22 0:27 / /end rw -",
        ]
        #expect(LeftGroups.mountPoints(others.joined(separator: "\n")) == [] && LeftGroups.mountPoints("") == [])
        for options in ["", "shared:4 ", "shared:4 master:1 "] {
            let line = "40 22 0:27 / /mnt/groups rw,nosuid \(options)- cgroup2 cgroup rw\n"
            let all = others + [line] + others + [line.replacing("mnt", with: "run")]
            #expect(LeftGroups.mountPoints(all.joined(separator: "\n")) == ["/mnt/groups", "/run/groups"])
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
