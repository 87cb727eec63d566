import Libc
import TestSupport
import Testing
import UVLoop

@Suite("A file tail") struct FileTailTests {
    @Test("begins at the start, the end, an offset, or some lines back, and gives what is added") func starts() throws {
        for (start, expected) in [
            (FileTail.Start.start, "one\ntwo\nthree"), (.end, ""), (.offset(4), "two\nthree"), (.offset(99), ""),
            (.lastLines(1), "three"), (.lastLines(2), "two\nthree"), (.lastLines(9), "one\ntwo\nthree"),
            (.lastLines(0), ""),
        ] {
            try withFollowed("one\ntwo\nthree", from: start) { follower in
                let file = try OpenFile(follower.path, .append)
                try file.write(Array(" more\n".utf8))
                try follower.run { $0.text == expected + " more\n" }
                #expect(follower.events == [.opened(file.statusAtOpening.identity)], "\(start)")
                #expect(follower.tail.offset == 19)
            }
        }
    }

    @Test("does nothing, and asks nothing, while nothing happens") func idle() throws {
        try withFollowed("") { follower in
            try follower.run { !$0.events.isEmpty }
            #expect(follower.tail.pollingReason == nil)
            // Ends the looks under way: the loop of an unreferenced tail ends with them.
            follower.tail.unref()
            follower.loop.run()
            follower.tail.ref()
            let timeout = follower.loop.backendTimeout
            #expect(timeout.map { $0 > .seconds(60) } ?? true, "\(String(describing: timeout))")
        }
    }

    @Test("goes on after a cut in place, also if the file has grown past the old place by then") func cut() throws {
        try withFollowed("") { follower in
            let file = try OpenFile(follower.path, .append)
            try file.write(lines("old", 1000))
            try follower.run { $0.bytes == lines("old", 1000) }
            for (name, count) in [("less", 10), ("as much", 1000), ("more", 30000)] {
                let before = follower.bytes.count
                follower.events = []
                try file.truncate()
                try file.write(lines(name, count))
                try follower.run { $0.bytes.count >= before + lines(name, count).count }
                #expect(follower.bytes[before...].elementsEqual(lines(name, count)), "\(name)")
                #expect(follower.events == [.cut], "\(name)")
            }
        }
    }

    @Test("reads a replaced file to its end first, however it was replaced") func replaced() throws {
        try withFollowed("") { follower in
            try follower.run { !$0.events.isEmpty }
            for (name, replace) in [
                ("rename away", { try Files.rename(follower.path, to: follower.path + ".1") }),
                ("remove", { try Files.unlink(follower.path) }), ("rename over", {}),
            ] as [(String, () throws -> Void)] {
                follower.events = []
                let before = follower.bytes.count
                let old = try OpenFile(follower.path, .append)
                try old.write(lines("last of the old", 20000))
                try replace()
                let new = try OpenFile(follower.path + ".new", .createNew)
                try new.write(lines("first of the new", 100))
                try Files.rename(follower.path + ".new", to: follower.path)
                let both = lines("last of the old", 20000) + lines("first of the new", 100)
                try follower.run { $0.bytes.count >= before + both.count }
                #expect(follower.bytes[before...].elementsEqual(both), "\(name)")
                let opened = follower.events.filter { $0 != .missing }
                #expect(opened == [.opened(new.statusAtOpening.identity)], "\(name)")
            }
        }
    }

    @Test("waits for a file, and for the directories before it, also for those that go later") func absence() throws {
        try withTemporaryDirectory { base in
            try withLoop { loop in
                let follower = Follower(base + "/a/b/f", on: loop)
                try follower.start(from: .end)
                try follower.run { $0.events == [.missing] }
                for round in 0..<3 {
                    follower.events = []
                    try Files.makeDirectory(at: base + "/a")
                    try Files.makeDirectory(at: base + "/a/b")
                    try Posix.write("round \(round)\n", to: base + "/a/b/f")
                    try follower.run { $0.text.hasSuffix("round \(round)\n") }
                    // A directory further up is moved, not the file's own.
                    try Files.rename(base + "/a", to: base + "/old\(round)")
                    try follower.run { $0.events.last == .missing }
                    // The old file is still read.
                    try OpenFile(base + "/old\(round)/b/f", .append).write(Array("late \(round)\n".utf8))
                    try follower.run { $0.text.hasSuffix("late \(round)\n") }
                }
                #expect(follower.text == (0..<3).map { "round \($0)\nlate \($0)\n" }.joined())
                // The same file comes back, and reading continues.
                follower.events = []
                try Files.rename(base + "/old2", to: base + "/a")
                try follower.run { !$0.events.isEmpty }
                try OpenFile(base + "/a/b/f", .append).write(Array("again".utf8))
                try follower.run { $0.text.hasSuffix("late 2\nagain") }
                follower.tail.close()
            }
        }
    }

    @Test("follows symbolic links, and their exchange") func links() throws {
        try withTemporaryDirectory { base in
            try Files.makeDirectory(at: base + "/one")
            try Files.makeDirectory(at: base + "/two")
            try Posix.write("in one\n", to: base + "/one/f")
            try Posix.write("in two\n", to: base + "/two/g")
            try Posix.makeSymbolicLink(at: base + "/two/f", to: "g")
            try Posix.makeSymbolicLink(at: base + "/now", to: "one")
            try withLoop { loop in
                let follower = Follower(base + "/now/f", on: loop)
                try follower.start(from: .start)
                try follower.run { $0.text == "in one\n" }
                try Posix.makeSymbolicLink(at: base + "/new", to: "two")
                try Files.rename(base + "/new", to: base + "/now")
                try follower.run { $0.text == "in one\nin two\n" }
                try Posix.write("another g\n", to: base + "/two/h")
                try Files.rename(base + "/two/h", to: base + "/two/g")
                try follower.run { $0.text == "in one\nin two\nanother g\n" }
                #expect(follower.tail.pollingReason == nil)
                follower.tail.close()
            }
        }
    }

    @Test("presses back: paused, it gives nothing, and then everything") func paused() throws {
        try withFollowed("") { follower in
            follower.tail.pause()
            let file = try OpenFile(follower.path, .append)
            try file.write(lines("x", 50000))
            // Ends the look that is under way.
            follower.tail.unref()
            follower.loop.run()
            follower.tail.ref()
            #expect(follower.bytes.isEmpty && follower.tail.isPaused)
            var runs = 0
            follower.onBytes = { follower in
                runs += 1
                follower.tail.pause()
                follower.tail.pause()
                follower.loop.onNextTick { follower.tail.resume() }
            }
            follower.tail.resume()
            #expect(follower.bytes.isEmpty, "nothing is called within the call")
            try follower.run { $0.bytes == lines("x", 50000) }
            #expect(runs >= follower.bytes.count / 65536, "a run is bounded")
        }
    }

    @Test("knows in its callbacks where the next byte comes from, paused or not") func place() throws {
        try withTemporaryDirectory { directory in
            try Posix.write("0123456789", to: "\(directory)/f")
            try withLoop { loop in
                let tail = FileTail("\(directory)/f", on: loop)
                var places: [UInt64] = []
                try tail.start(
                    from: .offset(4),
                    onBytes: { tail, _ in
                        places.append(tail.offset)
                        tail.close()
                    },
                    onEvent: { tail, _ in
                        places.append(tail.offset)
                        tail.pause()
                        loop.onNextTick {
                            places.append(tail.offset)
                            tail.resume()
                        }
                    })
                loop.run()
                #expect(places == [4, 4, 10])
            }
        }
    }

    @Test("may be closed in any callback, and is not called after that") func closing() throws {
        for place in ["event", "bytes", "paused", "at once", "loop"] {
            try withTemporaryDirectory { directory in
                try Posix.write("text", to: directory + "/f")
                try withLoop { loop in
                    let tail = FileTail(directory + "/f", on: loop)
                    var isClosed = false
                    let close = { (tail: FileTail) in
                        #expect(!isClosed)
                        isClosed = true
                        place == "loop" ? loop.closeHandles() : tail.close()
                    }
                    var isCanceled = false
                    tail.onCanceled = { isCanceled = true }
                    try tail.start(
                        from: .start,
                        onBytes: { tail, _ in place == "bytes" || place == "loop" ? close(tail) : #expect(!isClosed) },
                        onEvent: { tail, _ in place == "event" ? close(tail) : #expect(!isClosed) })
                    switch place {
                    case "paused":
                        tail.pause()
                        loop.onNextTick { close(tail) }
                    case "at once": close(tail)
                    default: break
                    }
                    loop.run()
                    #expect(isClosed && isCanceled == (place == "loop"), "\(place)")
                    tail.pause()
                    tail.resume()
                }
            }
        }
    }

    @Test("says clearly what cannot be followed") func refused() throws {
        try withTemporaryDirectory { directory in
            try Posix.makeNamedPipe(at: directory + "/pipe")
            try Posix.makeSymbolicLink(at: directory + "/circle", to: "circle")
            try Posix.write("", to: directory + "/f")
            try withLoop { loop in
                for (path, expected, words) in [
                    (directory, UVError.isDirectory, "it is a directory"),
                    (directory + "/pipe", .invalidArgument, "it is a named pipe"),
                    ("/dev/null", .invalidArgument, "a device"),
                    ("/proc/self/status", .notSupported, "made as they are read"),
                    ("a\0b", .invalidArgument, "a zero byte"),
                    (directory + "/circle", .symbolicLink, "ELOOP"), (directory + "/f/g", .notDirectory, "ENOTDIR"),
                    ("", .noEntry, "ENOENT"),
                ] {
                    let tail = FileTail(path, on: loop)
                    do throws(FileTailError) {
                        try tail.start(onBytes: { _, _ in })
                        Issue.record("\(path) is followed")
                    } catch {
                        #expect(error == FileTailError(path: path, systemError: expected))
                        #expect("\(error)".contains(words) && "\(error)".contains("cannot follow \(path)"), "\(error)")
                    }
                    #expect(!tail.isActive)
                    tail.close()
                }
            }
        }
    }

    @Test("refuses a link where it is told to, and waits while one has the path") func refusedLink() throws {
        try withTemporaryDirectory { directory in
            try Posix.write("text", to: directory + "/f")
            try Posix.makeSymbolicLink(at: directory + "/l", to: "f")
            try withLoop { loop in
                let refused = FileTail(directory + "/l", followsLinks: false, on: loop)
                #expect(throws: FileTailError(path: refused.path, systemError: .symbolicLink)) {
                    try refused.start(onBytes: { _, _ in })
                }
                refused.close()
                let tail = FileTail(directory + "/t", followsLinks: false, on: loop)
                var events: [FileTail.Event] = []
                var count = 0
                try tail.start(onBytes: { count += $1.byteCount }, onEvent: { events.append($1) })
                try Files.rename(directory + "/l", to: directory + "/t")
                try run(loop) { events.last == .unusable(FileTailError(path: tail.path, systemError: .symbolicLink)) }
                try Files.unlink(directory + "/t")
                try Files.rename(directory + "/f", to: directory + "/t")
                try run(loop) { count == 4 }
                tail.close()
            }
        }
    }

    @Test("tells once that something else has come to stand in the file's place, and waits") func unusable() throws {
        try withFollowed("a\n", from: .start) { follower in
            try follower.run { $0.text == "a\n" }
            try Files.unlink(follower.path)
            try Files.makeDirectory(at: follower.path)
            try follower.run {
                $0.events.last == .unusable(FileTailError(path: follower.path, systemError: .isDirectory))
            }
            try Files.removeDirectory(follower.path)
            try Posix.write("b\n", to: follower.path)
            try follower.run { $0.text == "a\nb\n" }
        }
    }

    @Test("looks from time to time where it is told to") func polling() throws {
        try withFollowed("", polls: true) { follower in
            for round in 1...3 {
                try OpenFile(follower.path, .append).write([1])
                try follower.run { $0.bytes.count == round }
            }
            try follower.run { $0.events.contains { if case .polling = $0 { true } else { false } } }
            try Posix.write("new", to: follower.path)
            try follower.run { $0.text.hasSuffix("new") }
        }
    }

    @Test("looks on where it may not watch, and says why", arguments: ["watches", "queues"])
    func withoutWatches(kind: String) throws {
        try expectScenario("tail-without-watches", kind)
    }

    @Test("looks on in a directory that may not be read, and is refused by one that may not be searched")
    func obstacles() throws {
        try withTemporaryDirectory { try expectScenario("tail-as-nobody", $0) }
    }

    private func withFollowed(
        _ text: String, from start: FileTail.Start = .end, polls: Bool = false, _ body: (Follower) throws -> Void
    ) throws {
        try withTemporaryDirectory { directory in
            try Posix.write(text, to: directory + "/f")
            try withLoop { loop in
                let follower = Follower(directory + "/f", polls: polls, on: loop)
                try follower.start(from: start)
                try body(follower)
                follower.tail.close()
            }
        }
    }

    private func lines(_ name: String, _ count: Int) -> [UInt8] {
        Array((0..<count).map { "\(name) \($0)\n" }.joined().utf8)
    }
}
