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

    @Test("finds the last line at once if it is a hole of terabytes", .enabled(if: Holes.areTold)) func hugeHole()
        throws
    {
        try withTemporaryDirectory { directory in
            let file = try OpenFile(directory + "/f", .createNew)
            try file.write(Array("one\n".utf8))
            try Holes.enlarge(file)
            try withLoop { loop in
                let follower = Follower(directory + "/f", on: loop)
                try follower.start(from: .lastLines(1))
                follower.onBytes = { $0.tail.close() }
                try follower.run { !$0.bytes.isEmpty }
                #expect(follower.bytes.allSatisfy { $0 == 0 })
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

    private func lines(_ name: String, _ count: Int) -> [UInt8] {
        Array((0..<count).map { "\(name) \($0)\n" }.joined().utf8)
    }
}
