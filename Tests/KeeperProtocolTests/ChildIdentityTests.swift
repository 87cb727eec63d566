import KeeperProtocol
import TestSupport
import Testing
import UVLoop

@Suite struct ChildIdentityTests {
    @Test("an identity is kept with the file, and is that of the pid in it only")
    func kept() throws {
        try withTemporaryDirectory { directory in
            let file = try OpenFile(directory + "/f", .createNew)
            let own = try #require(ProcessIdentity(of: Processes.currentID))
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
}
