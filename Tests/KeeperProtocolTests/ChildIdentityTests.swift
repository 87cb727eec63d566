import KeeperProtocol
import TestSupport
import Testing
import UVLoop

@Suite struct ChildIdentityTests {
    @Test("an identity is kept with the file, and is that of the pid in it only")
    func kept() throws {
        try withTemporaryDirectory { directory in
            let file = try OpenFile(directory + "/f", .createNew)
            let own = try #require(ProcessIdentity(of: CurrentProcess.id))
            #expect(ChildIdentity.of(own.pid, in: file) == nil)
            do throws(UVError) {
                try ChildIdentity.keep(own, with: file)
            } catch {
                return withKnownIssue("skipped: no extended attributes here") { Issue.record("\(error)") }
            }
            #expect(ChildIdentity.of(own.pid, in: file) == own)
            #expect(ChildIdentity.of(.max, in: file)?.isRunning != true)
            try Files.rename(directory + "/f", to: directory + "/g")
            #expect(ChildIdentity.of(own.pid, in: try OpenFile(directory + "/g", .readOnly)) == own)
            // A copy has the attribute, and is another session's at most.
            let copy = try OpenFile(directory + "/copy", .createNew)
            try copy.setAttribute(ChildIdentity.attribute, to: try #require(file.attribute(ChildIdentity.attribute)))
            #expect(ChildIdentity.of(own.pid, in: copy) == nil)
            try copy.setAttribute(ChildIdentity.attribute, to: Array(own.text.utf8))
            #expect(ChildIdentity.of(own.pid, in: copy) == own)
            try file.setAttribute(ChildIdentity.attribute, to: Array("junk".utf8))
            #expect(ChildIdentity.of(own.pid, in: file) == nil)
        }
    }

    @Test(
        "a file of another user names processes of that user only",
        .enabled(if: Posix.isRoot, "only root can become another user"))
    func otherUsers() throws {
        try withTemporaryDirectory { directory in
            try withLoop { loop in
                var configuration = ChildProcess.Configuration(executable: "sleep", arguments: ["1000"])
                let rooted = try ChildProcess(configuration, on: loop) { _, _ in }
                (configuration.userID, configuration.groupID) = (65533, 65533)
                let others = try ChildProcess(configuration, on: loop) { _, _ in }
                for (child, owner, isNamed) in [
                    (rooted, 0, true), (rooted, 65533, false), (others, 65533, true), (others, 65532, false),
                    (others, 0, true),
                ] as [(ChildProcess, UInt32, Bool)] {
                    let path = "\(directory)/\(child.pid)-\(owner)"
                    let identity = try #require(ProcessIdentity(of: child.pid))
                    try ChildIdentity.keep(identity, with: try OpenFile(path, .createNew))
                    try Posix.setOwner(owner, of: path)
                    let named = ChildIdentity.of(child.pid, in: try OpenFile(path, .readOnly))
                    #expect(named == (isNamed ? identity : nil), "\(path)")
                }
                for child in [rooted, others] { try child.kill(.kill) }
            }
        }
    }
}
