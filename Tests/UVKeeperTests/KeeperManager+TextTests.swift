import TestSupport
import Testing
import UVKeeper

@Suite struct KeeperManagerTextTests {
    @Test("a literal and a text name the same session, for every operation")
    func bothForms() throws {
        try withWorld { world throws in
            let (manager, text) = (world.manager, "s1")
            let keeper = try world.spawn(text)
            #expect(try world.result { manager.writeRPC("one", to: "s1", completion: $0) } == .written)
            #expect(try world.result { manager.writeRPC("two", to: text, completion: $0) } == .written)
            #expect(try world.result { manager.writeRPC([0x33], to: "s1", completion: $0) } == .written)
            #expect(try world.result { manager.writeRPC([0x34], to: text.prefix(2), completion: $0) } == .written)
            try world.eventually { world.text("s1.out") == "one\ntwo\n3\n4\n" }
            let isAlive = manager.mayBeAlive("s1")
            #expect(try isAlive && manager.mayBeAlive(text))
            let pid = manager.status(of: "s1")?.keeperPID
            #expect(try pid != nil && manager.status(of: text)?.keeperPID == pid)
            #expect(try manager.killKeeper(for: text))
            // Its files go first, and the process a moment later.
            try world.eventually { !keeper.isRunning && manager.status(of: "s1") == nil }
            #expect(try world.result { manager.stop("s1", completion: $0) } == .notFound)
            #expect(try world.result { manager.stop(text, grace: .zero, completion: $0) } == .notFound)
        }
    }

    @Test("text that is no session id is reported by the completion, or thrown where there is none")
    func noSessionID() throws {
        try withWorld { world throws in
            let (manager, text) = (world.manager, "a/b")
            let error = SessionIDError.badCharacter(at: 1)
            let failure = KeeperError.invalidSession(text, error)
            #expect(try world.result { manager.writeRPC("x", to: text, completion: $0) } == .refused(failure))
            #expect(try world.result { manager.writeRPC([], to: text, completion: $0) } == .refused(failure))
            #expect(try world.result { manager.stop(text, completion: $0) } == .failed(failure))
            #expect(
                try world.result { manager.stop(text, grace: .zero, completion: $0) } == .failed(failure))
            #expect(try world.spawnError(text) == failure)
            #expect(throws: error) { try manager.killKeeper(for: text) }
            #expect(throws: error) { try manager.mayBeAlive(text) }
            #expect(throws: error) { try manager.status(of: text) }
            #expect(try world.sessionFiles().isEmpty)
        }
    }

    @Test("a literal that is no session id ends the process with a sentence")
    func badLiteral() throws {
        let arguments = ["SWIFT_BACKTRACE=enable=no", BuiltProducts.executable("keeper-host"), "bad-literal"]
        let result = try runProgram("env", arguments)
        guard case .signaled = result.status else {
            Issue.record("\(String(describing: result.status)): \(result.output)")
            return
        }
        #expect(result.output.contains("a literal is no session id"), "\(result.output)")
    }
}
