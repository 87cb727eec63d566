import KeeperProtocol
import TestSupport
import Testing

@testable import UVKeeper

/// The output of sessions that end, or have ended, while it is read.
@Suite struct OutputReadEndedTests {
    @Test("what comes while a connection is made again, and the session ends, is read from what that leaves")
    func endsBeforeNextRequest() throws {
        try withWorld { world throws in
            _ = try world.spawnKept("echo precious; exec cat")
            let proxy = try ChannelProxy("s1", in: world)
            let told = ToldOutput()
            told.start(world.manager.session("s1"), from: .start)
            try world.eventually { told.text == "precious\n" }
            proxy.holdsRequests = true
            proxy.cut()
            try world.eventually { proxy.heldByteCount > 0 }
            #expect(try world.outcome("more", at: world.paths.socket(for: "s1")) == .sent)
            _ = try world.result { (done: @escaping (KeeperManager.StopResult) -> Void) in
                world.manager.stop("s1", ladder: StopLadder(endOfInput: .seconds(60)), completion: done)
            }
            try world.eventually { told.last != nil }
            #expect(told.text == "precious\nmore\n" && told.exit?.reason == .stopped)
        }
    }

    @Test("a session that ends before its keeper is asked for the output is read from what it leaves")
    func endsBeforeRequest() throws {
        try withWorld { world throws in
            _ = try world.spawnKept("echo precious; exec cat")
            let proxy = try ChannelProxy("s1", in: world)
            proxy.holdsRequests = true
            let told = ToldOutput()
            told.start(world.manager.session("s1"), from: .start)
            try world.eventually { proxy.heldByteCount > 0 }
            _ = try world.result { (done: @escaping (KeeperManager.StopResult) -> Void) in
                world.manager.stop("s1", completion: done)
            }
            try world.eventually { told.last != nil }
            #expect(told.text == "precious\n" && told.exit?.reason == .stopped)
        }
    }

    @Test("a session that has ended is read from its files, and says how it ended", arguments: [true, false])
    func ended(isRead: Bool) throws {
        try withWorld { world throws in
            let keeper = try world.spawnKept("head -c 200000 /dev/zero; read x; echo end; exit 3")
            let session = world.manager.session("s1")
            let told = ToldOutput()
            if isRead { told.start(session, from: .start) }
            try world.eventually { world.text("s/keeper-s1.log").contains("keeper ready") }
            #expect(try world.outcome("go", "s1") == .written)
            try world.eventually { !keeper.isRunning }
            if !isRead { told.start(session, from: .start) }
            try world.eventually { told.last != nil }
            #expect(told.exit?.code == 3)
            #expect(told.bytes[.out]?.count == 200_004)
            #expect(told.bytes[.out]?.suffix(4) == Array("end\n".utf8)[...])
            let part = ToldOutput()
            part.start(session, from: .last(4))
            try world.eventually { part.last != nil }
            #expect(part.text == "end\n")
            #expect(part.exit == session.record?.exit)
        }
    }

    @Test("a keeper that stays a moment after the end has no channel, and its session is read from the files")
    func lingering() throws {
        try withWorld { world throws in
            _ = try world.spawnKept("exec cat")
            #expect(try world.outcome("one", "s1") == .written)
            let session = world.manager.session("s1")
            let told = ToldOutput()
            told.start(session, from: .start)
            try world.eventually { told.text == "one\n" }
            told.read?.cancel()
            // As a keeper does at its end.
            var record = try #require(session.record)
            record.exit = SessionExit(reason: .exited, at: SessionRecord.now)
            record.exit?.output = .init(out: KeptRange(start: 0, end: 4), err: KeptRange(start: 0, end: 0), held: false)
            try SessionRecord.replace(
                world.paths.record(for: session.id), with: record.fileBytes, paths: world.paths)
            try Files.unlink(world.paths.channel(for: session.id))
            let late = ToldOutput()
            late.start(session, from: .start)
            try world.eventually { late.last != nil }
            #expect(late.text == "one\n" && late.exit == record.exit, "\(String(describing: late.last))")
            let status = try world.result { session.status($0) }
            #expect(throws: KeeperError.sessionEnded(session.id)) { try status.get() }
        }
    }

    @Test("the record of a former life says nothing of a keeper that has none yet, and no socket: it is starting")
    func startsAnew() throws {
        try withWorld { world throws in
            _ = try world.spawnKept("echo new; exec cat >/dev/null")
            let session = world.manager.session("s1")
            let (channel, socket) = (world.paths.channel(for: session.id), world.paths.socket(for: session.id))
            let record = try #require(session.record)
            // As it is while a keeper waits for its control group.
            var former = record
            former.keeper.pid = try world.start(["true"]).pid
            former.epoch = "0123456789abcdef"
            former.exit = SessionExit(reason: .exited, at: SessionRecord.now)
            former.exit?.output = .init(out: KeptRange(start: 0, end: 0), err: KeptRange(start: 0, end: 0), held: false)
            for path in [channel, socket] { try Files.rename(path, to: path + ".away") }
            let path = world.paths.record(for: session.id)
            try SessionRecord.replace(path, with: former.fileBytes, paths: world.paths)
            for hasFormer in [true, false] {
                #expect(session.record == nil)
                // A former keeper that was killed has left its sockets.
                let stale =
                    hasFormer ? [] : try [channel, socket].map { try PipeListener(bindingTo: $0, on: world.loop) }
                if !hasFormer { try Files.unlink(path) }
                // An hour from now, so that it is young on a slow machine too.
                let later = Int(SystemClock.wallClockTime.components.seconds) + 3600
                try Posix.setModificationTime(later, of: world.paths.keeperPID(for: session.id))
                let other = try world.otherManager().session("s1")
                var status: Result<SessionStatus, KeeperError>?
                other.status { status = $0 }
                var outcome: WriteOutcome?
                other.write("x", deadline: .untilSessionEnds) { outcome = $0 }
                let told = ToldOutput()
                told.start(session, from: .start, follows: false)
                // More attempts than a keeper without a channel gets.
                try world.pass(.milliseconds(300))
                #expect(told.last == nil && status == nil && outcome == nil)
                for listener in stale { listener.close() }
                for path in [channel, socket] { try Files.rename(path + ".away", to: path) }
                try world.eventually { told.last != nil && status != nil && outcome != nil }
                #expect(told.text == "new\n", "\(String(describing: told.last))")
                #expect(try status?.get().epoch == record.epoch && outcome == .written)
                for path in [channel, socket] { try Files.rename(path, to: path + ".away") }
            }
            try SessionRecord.replace(path, with: record.fileBytes, paths: world.paths)
            for path in [channel, socket] { try Files.rename(path + ".away", to: path) }
        }
    }

    @Test("a keeper that begins to listen between an attempt and the look at it is asked again")
    func startsBetween() throws {
        try withWorld { world throws in
            _ = try world.spawnKept("exec cat >/dev/null")
            let id = world.manager.session("s1").id
            let sockets = [world.paths.channel(for: id), world.paths.socket(for: id)]
            let later = Int(SystemClock.wallClockTime.components.seconds) + 3600
            try Posix.setModificationTime(later, of: world.paths.keeperPID(for: id))
            for path in sockets { try Files.rename(path, to: path + ".away") }
            let session = try world.otherManager().session("s1")
            var status: Result<SessionStatus, KeeperError>?
            session.status { status = $0 }
            var outcome: WriteOutcome?
            session.write("x", deadline: .untilSessionEnds) { outcome = $0 }
            // The attempts have failed, which the loop has not told yet.
            for path in sockets { try Files.rename(path + ".away", to: path) }
            try world.eventually { status != nil && outcome != nil }
            #expect(throws: Never.self) { try status?.get() }
            #expect(outcome == .written)
        }
    }

    @Test("what cannot be opened for want of a descriptor is not gone")
    func shortage() throws {
        try withWorld { world throws in
            let keeper = try world.spawnKept("head -c 200000 /dev/zero; read x; exit 3")
            #expect(try world.outcome("go", "s1") == .written)
            try world.eventually { !keeper.isRunning }
            #expect(try world.host("read", world.paths.directory, "s1") == ["200000 bytes, 0 gaps, code 3"])
        }
    }

    @Test("a killed keeper leaves what it has kept")
    func killed() throws {
        try withWorld { world throws in
            let keeper = try world.spawnKept("exec cat")
            world.own(try world.childPID("s1"))
            let session = world.manager.session("s1")
            let told = ToldOutput()
            told.start(session, from: .start)
            #expect(try world.outcome("one", "s1") == .written)
            try world.eventually { told.text == "one\n" }
            try Processes.send(.kill, to: keeper.pid)
            try world.eventually { told.last != nil }
            guard case .ended(nil) = told.last else {
                Issue.record("\(String(describing: told.last))")
                return
            }
            let later = ToldOutput()
            later.start(session, from: .start)
            try world.eventually { later.last != nil }
            #expect(later.text == "one\n")
        }
    }

    @Test("a read of what a killed keeper has left says so if the session begins anew before the read has ended")
    func beganAnew() throws {
        try withWorld { world throws in
            let keeper = try world.spawnKept("exec cat")
            world.own(try world.childPID("s1"))
            #expect(try world.outcome("one", "s1") == .written)
            let whole = ToldOutput()
            whole.start(world.manager.session("s1"), from: .start)
            try world.eventually { whole.text == "one\n" }
            try Processes.send(.kill, to: keeper.pid)
            try world.eventually { whole.last != nil }
            let told = ToldOutput()
            told.start(world.manager.session("s1"), from: .start)
            told.read?.pause()
            try world.eventually { told.read?.position == [.out: 0] }
            let path = world.paths.record(for: "s1")
            var record = try #require(SessionRecord(at: path))
            record.epoch = "0123456789abcdef"
            try world.write(String(decoding: record.fileBytes, as: UTF8.self), over: path)
            told.read?.resume()
            try world.eventually { told.last != nil }
            #expect(told.text == "one\n")
            guard case .failed(.sessionBeganAnew) = told.last else {
                Issue.record("\(String(describing: told.last))")
                return
            }
        }
    }

    @Test("a read that no keeper would begin is refused in the same words by a session that has ended")
    func malformed() throws {
        try withWorld { world throws in
            let keeper = try world.spawnKept("echo one; echo two >&2; exec cat")
            let session = world.manager.session("s1")
            let epoch = try #require(session.record?.epoch)
            func failures() throws -> [KeeperError?] {
                let reads: [([ChildStream], OutputStart)] = [
                    ([], .start), ([.out, .out], .end), ([.out, .err], .offsets([.out: 0], epoch: epoch)),
                    ([.out], .offsets([:], epoch: epoch)), ([.err], .offsets([.out: 0], epoch: epoch)),
                ]
                return try reads.map { streams, start in
                    let told = ToldOutput()
                    told.start(session, streams, from: start, follows: false)
                    #expect(told.last == nil)
                    try world.eventually { told.last != nil }
                    #expect(told.bytes.isEmpty)
                    return if case .failed(let error) = told.last { error } else { nil }
                }
            }
            let live = try failures()
            #expect(live.count { if case .channel("s1", "argument", _) = $0 { true } else { false } } == 5, "\(live)")
            session.stop { _, _ in }
            try world.eventually { !keeper.isRunning }
            #expect(try failures() == live)
            // Offsets of streams that are not read do not matter.
            let told = ToldOutput()
            told.start(session, from: .offsets([.out: 0, .err: 1000], epoch: epoch))
            try world.eventually { told.last != nil }
            #expect(told.text == "one\n" && told.exit?.reason == .stopped)
        }
    }

    @Test("the output that a session's next life removes while it is read is no gap")
    func removedMeanwhile() throws {
        try withWorld { world throws in
            let keeper = try world.spawnKept("head -c 800000 /dev/zero; exec cat")
            let session = world.manager.session("s1")
            let whole = ToldOutput()
            whole.start(session, from: .start)
            try world.eventually { whole.bytes[.out]?.count == 800_000 }
            session.stop { _, _ in }
            try world.eventually { !keeper.isRunning && whole.last != nil }
            let told = ToldOutput()
            told.start(session, from: .start)
            told.read?.pause()
            try world.eventually { told.read?.position == [.out: 0] }
            var record = try #require(session.record)
            record.epoch = "0123456789abcdef"
            let path = world.paths.record(for: session.id)
            try SessionRecord.replace(path, with: record.fileBytes, paths: world.paths)
            for name in try Files.names(inDirectory: world.paths.directory) where name.contains(".out.") {
                try Files.unlink("\(world.paths.directory)/\(name)")
            }
            told.read?.resume()
            try world.eventually { told.last != nil }
            guard case .failed(.sessionBeganAnew) = told.last, told.gaps.isEmpty else {
                Issue.record("\(String(describing: told.last)) \(told.gaps)")
                return
            }
        }
    }
}
