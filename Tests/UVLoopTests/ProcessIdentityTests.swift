import TestSupport
import Testing
import UVLoop

@Suite("The identity of a process") struct ProcessIdentityTests {
    @Test("is kept as text and found again in it") func text() throws {
        let own = try #require(ProcessIdentity(of: CurrentProcess.id))
        #expect(own.isRunning)
        #expect(ProcessIdentity(pid: own.pid, text: own.text) == own)
        // The times are in hundredths of a second, the system's ticks.
        for ticks in Int64(0)..<20_000 {
            let text = "\(own.bootID) \(ticks * 7_310)"
            #expect(ProcessIdentity(pid: own.pid, text: text)?.text == text)
        }
        #expect(own.text.split(separator: " ").count == 2, "\(own.text)")
    }

    @Test("is another's with another start or boot, and nobody's without a number") func others() throws {
        let own = try #require(ProcessIdentity(of: CurrentProcess.id))
        let start = try #require(own.text.split(separator: " ").last.flatMap { Int64($0) })
        let later = try #require(ProcessIdentity(pid: own.pid, text: "\(own.bootID) \(start + 10)"))
        let rebooted = try #require(ProcessIdentity(pid: own.pid, text: "another-boot \(start)"))
        #expect(!later.isRunning && !rebooted.isRunning)
        for text in [
            "", " ", own.bootID, "\(own.bootID) ", "\(own.bootID) x", "\(own.bootID) -1", "\(own.text) 1", " 1",
        ] {
            #expect(ProcessIdentity(pid: own.pid, text: text) == nil, "\(text)")
        }
        #expect(ProcessIdentity(pid: 0, text: own.text) == nil)
        #expect(ProcessIdentity(of: 0) == nil && ProcessIdentity(of: .max) == nil)
    }

    @Test("does not run once it has ended, collected or not") func ends() throws {
        try withLoop { loop in
            let child = try ChildProcess(.init(executable: "sleep", arguments: ["1000"]), on: loop) { _, _ in }
            let identity = try #require(ProcessIdentity(of: child.pid))
            #expect(identity.isRunning)
            let hold = try ProcessDescriptor(of: child.pid)
            try child.kill(.kill)
            // The child's status is collected in the loop only.
            while !hold.hasEnded {}
            #expect(!identity.isRunning)
            #expect(ProcessDetails(of: child.pid).map { identity.isOf($0) } == true, "a zombie is still that process")
            loop.run()
            #expect(!identity.isRunning)
        }
    }
}
