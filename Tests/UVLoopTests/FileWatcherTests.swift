import TestSupport
import Testing
import UVLoop

@Suite("A file watcher") struct FileWatcherTests {
    @Test("tells of changes to a file, equal ones of one tick once") func file() throws {
        try withWatched { loop, directory in
            let path = directory + "/f"
            let file = try OpenFile(path, .createNew)
            let watcher = FileWatcher(on: loop)
            var events: [FileWatcher.Event] = []
            try watcher.start(path) { _, event in events.append(event) }
            #expect(watcher.path == path && watcher.isActive)
            for _ in 0..<10 { try file.write([1]) }
            #expect(events.isEmpty, "nothing is called within the call")
            try run(loop) { !events.isEmpty }
            #expect(events == [.changed(name: nil)])
            watcher.close()
        }
    }

    @Test("tells which entry of a directory was made, changed, renamed and removed") func directory() throws {
        try withWatched { loop, directory in
            let watcher = FileWatcher(on: loop)
            var events: [FileWatcher.Event] = []
            try watcher.start(directory) { _, event in events.append(event) }
            try Posix.write("x", to: directory + "/a")
            try Files.rename(directory + "/a", to: directory + "/b")
            try Files.makeDirectory(at: directory + "/d")
            try run(loop) { events.contains(.renamed(name: "d")) }
            try Files.setPermissions(0o755, of: directory + "/d")
            try Files.unlink(directory + "/b")
            try run(loop) { events.last == .renamed(name: "b") }
            #expect(events.contains(.renamed(name: "a")) && events.contains(.changed(name: "a")))
            #expect(events.contains(.changed(name: "d")), "attributes of a directory in it are a change")
            watcher.close()
        }
    }

    @Test("tells once that the file was removed, renamed or replaced, also if somebody has it open, and is stopped")
    func gone() throws {
        try withWatched { loop, directory in
            let path = directory + "/f"
            let ends: [(String, () throws(UVError) -> Void)] = [
                ("removed", { () throws(UVError) in try Files.unlink(path) }),
                ("renamed", { () throws(UVError) in try Files.rename(path, to: directory + "/g") }),
                (
                    "replaced",
                    { () throws(UVError) in
                        try OpenFile(directory + "/h", .createNew).close()
                        try Files.rename(directory + "/h", to: path)
                    }
                ),
            ]
            for (name, end) in ends {
                for isOpen in [false, true] {
                    try Posix.write("x", to: path)
                    let file = isOpen ? try OpenFile(path, .readOnly) : nil
                    let watcher = FileWatcher(on: loop)
                    var events: [FileWatcher.Event] = []
                    try watcher.start(path) { _, event in events.append(event) }
                    try end()
                    // The loop ends, since nothing is watched.
                    loop.run()
                    #expect(events.last == .gone && events.count { $0 == .gone } == 1, "\(name), open: \(isOpen)")
                    #expect(!watcher.isActive && watcher.path == nil)
                    file?.close()
                    watcher.close()
                }
            }
        }
    }

    @Test("may be started again from its last callback, stopped and closed in any") func inCallbacks() throws {
        try withWatched { loop, directory in
            let path = directory + "/f"
            try Posix.write("x", to: path)
            let watcher = FileWatcher(on: loop)
            var events: [FileWatcher.Event] = []
            try watcher.start(path) { watcher, event in
                events.append(event)
                guard event == .gone else { return }
                expectNoError { () throws(FileWatchError) in
                    try watcher.start(directory) { watcher, event in
                        events.append(event)
                        watcher.close()
                    }
                }
                expectNoError { try Posix.write("x", to: directory + "/g") }
            }
            try Files.unlink(path)
            loop.run()
            #expect(events.last == .renamed(name: "g"), "and nothing after the close: \(events)")
        }
    }

    @Test("shares the system's watch of one file with others, and each has what it asked for") func shared() throws {
        try withWatched { loop, directory in
            let path = directory + "/f"
            let file = try OpenFile(path, .createNew)
            try Posix.makeSymbolicLink(at: directory + "/l", to: "f")
            var counts = [0, 0, 0]
            let watchers = counts.indices.map { _ in FileWatcher(on: loop) }
            for (index, watcher) in watchers.enumerated() {
                try watcher.start(index == 1 ? directory + "/l" : path) { watcher, _ in
                    counts[index] += 1
                    // The first watcher closes the third, which is then not called for events read before.
                    if index == 0 { watchers[2].close() }
                }
            }
            #expect(watchers[1].path == directory + "/l")
            try file.write([1])
            try run(loop) { counts[1] > 0 }
            #expect(counts == [1, 1, 0])
            watchers[0].stop()
            try file.write([1])
            try run(loop) { counts[1] > 1 }
            #expect(counts == [1, 2, 0])
            for watcher in watchers { watcher.close() }
        }
    }

    @Test("that its loop closes tells its owner, and starting it is an error then") func canceled() throws {
        try withWatched { loop, directory in
            let watcher = FileWatcher(on: loop)
            var isTold = false
            watcher.onCanceled = { isTold = true }
            try watcher.start(directory) { _, _ in Issue.record("nothing happened") }
            loop.closeHandles()
            #expect(throws: FileWatchError.resources(.canceled)) { try watcher.start(directory) { _, _ in } }
            watcher.stop()
            loop.run()
            #expect(isTold)
        }
    }

    @Test("does not keep the loop running once it is unreferenced, and works") func unreferenced() throws {
        try withWatched { loop, directory in
            let watcher = FileWatcher(on: loop)
            try watcher.start(directory) { _, _ in }
            watcher.unref()
            loop.run()
            watcher.close()
        }
    }

    @Test("says what is wrong with a file that cannot be watched") func refused() throws {
        try withWatched { loop, directory in
            let watcher = FileWatcher(on: loop)
            #expect(throws: FileWatchError.file(directory + "/none", .noEntry)) {
                try watcher.start(directory + "/none") { _, _ in }
            }
            #expect(throws: FileWatchError.file("\0", .invalidArgument)) { try watcher.start("\0") { _, _ in } }
            #expect(!watcher.isActive)
            watcher.close()
        }
    }

    #if os(Linux)
    @Test("says that events were lost, and works on") func overflow() throws {
        try withWatched { loop, directory in
            let path = directory + "/f"
            try Posix.write("x", to: path)
            let watchers = [FileWatcher(on: loop), FileWatcher(on: loop)]
            var events: [[FileWatcher.Event]] = [[], []]
            for (index, watched) in [directory, path].enumerated() {
                try watchers[index].start(watched) { _, event in events[index].append(event) }
            }
            // Each round makes two events, different ones in turn; the kernel keeps 16384 by default.
            let setting = try Files.read("/proc/sys/fs/inotify/max_queued_events", limit: 20)
            let limit = try #require(Int(String(decoding: setting.dropLast(), as: UTF8.self)))
            for _ in 0..<limit / 4 + 1 {
                try Files.rename(path, to: directory + "/g")
                try Files.rename(directory + "/g", to: path)
            }
            try run(loop) { events.allSatisfy { $0.contains(.overflow) } }
            #expect("\(FileWatcher.Event.overflow)" == "events were lost; everything must be looked at again")
            #expect(!events[1].contains(.gone), "it has its old name again")
            events = [[], []]
            try Files.unlink(path)
            try run(loop) { events[1].last == .gone && events[0].contains(.renamed(name: "f")) }
            for watcher in watchers { watcher.close() }
        }
    }

    @Test("names the limit that is reached", arguments: ["watches", "queues", "descriptors", "polls"])
    func limits(kind: String) throws {
        try expectScenario("file-watch-limits", kind)
    }

    @Test("leaves no descriptor behind, however often it is started and closed") func leaks() throws {
        try expectScenario("file-watchers-leak-nothing")
    }
    #endif

    private func withWatched(_ body: (Loop, String) throws -> Void) throws {
        try withTemporaryDirectory { directory in
            try withLoop { loop in try body(loop, directory) }
        }
    }
}
