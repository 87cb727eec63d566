import TestSupport
import Testing
import UVKeeper

@Suite struct KeeperErrorTests {
    static let errors: [(KeeperError, mentions: [String])] = [
        (.invalidSession("a/b", .badCharacter(at: 1)), ["a/b", "offset 1"]),
        (.socketPathTooLong("/x", by: 3), ["/x", "3 bytes", "shorter"]),
        (.noSessionsDirectory, ["HOME", "PI_DASHBOARD_HOME"]),
        (.file("/x", .noSpace), ["/x", "ENOSPC"]),
        (.sidecarNotFound(["/a", "PATH"]), ["UVKEEPER_SIDECAR", "/a, PATH"]),
        (.cannotStart(.executableNotFound("pi")), ["pi", "PATH"]),
        (.keeperEnded(.exited(code: 1), log: ["first", "second"]), ["code 1", "first", "second"]),
        (.keeperEnded(.signaled(.kill), log: ["first"]), ["SIGKILL", "for lack of memory, at a limit", "first"]),
        (.keeperEnded(.signaled(.kill), log: []), ["SIGKILL"]),
        (.notAKeeper("/bin/true", .exited(code: 0)), ["/bin/true", "is it a keeper?", "environment"]),
        (
            .noPermission("/x/y", obstacle: "/x belongs to user 0 and has mode 700"),
            ["/x/y", "EACCES", "/x belongs to"]
        ),
        (.file("/x", .notDirectory), ["/x", "no directory"]),
        (.fileOfStranger("/x", user: 7), ["/x", "user 7"]),
        (.hostNotPrepared("call it"), ["call it"]),
        (.noWorkingDirectory, ["working directory"]),
        (.unusable(.executableNotFound("nope")), ["nope", "PATH"]),
        (.notReady(.seconds(2)), ["2.0 seconds"]),
        (.invalidCommand, ["command"]), (.notForForeignSidecar, ["UTF-8", "uvkeeper-sidecar"]),
        (.lineTooLong(11, maximum: 10), ["11", "10"]),
        (.requestTooLong(70_000, maximum: 65_536), ["70000 bytes", "65536", "labels"]),
        (.queueFull(lines: 3, bytes: 40), ["3 lines", "40 bytes"]),
        (.connection("/x", .noEntry), ["no socket /x"]),
        (.connection("/x", .connectionRefused), ["nobody listens on /x"]),
        (.connection("/x", .notSocket), ["/x is no socket", "remove"]),
        (.connection("/x", .connectionReset), ["/x", "ECONNRESET"]),
        (.timedOut(.milliseconds(350)), ["0.35 seconds", "frozen"]),
        (.frozen("s1", pid: 5), ["session s1", "kill -CONT 5"]),
        (.offsetBeyondEnd("s1", .err, offset: 9, end: 4), ["stderr of session s1", "offset 4", "9 is beyond"]),
        (.closed, ["closed"]),
    ]

    @Test("an error says what happened and what to do", arguments: errors)
    func description(_ error: KeeperError, mentions: [String]) {
        for text in mentions { #expect("\(error)".contains(text), "\(error)") }
    }

    @Test("a taken session names the process, if that is known")
    func taken() throws {
        let session: SessionID = "s1"
        #expect("\(KeeperError.sessionTaken(session, pid: 5))".contains("session s1 has a keeper already, process 5"))
        #expect(!"\(KeeperError.sessionTaken(session, pid: nil))".contains("process"))
    }
}
