#if os(Linux)
import Libc
import TestSupport
import Testing
import UVLoop

@Suite("A watcher of a file's writers") struct WriterWatcherTests {
    @Test("tells when a process that could write to the file has ended, also when it was killed") func killed() throws {
        try withWatched { loop, path, watcher, events in
            let script = "exec 3>>\(path); echo on; exec sleep 1000"
            var isOn = false
            var status: ProcessExit?
            let child = try ChildProcess(
                .init(executable: "sh", arguments: ["-c", script], stdio: [.ignore, .pipe, .ignore]), on: loop
            ) { status = $1 }
            try child.streams[1]?.readStart(onBytes: { _, _ in isOn = true }, onEnd: { stream, _ in stream.close() })
            try run(loop) { isOn }
            #expect(events.count == 0)
            try child.kill(.kill)
            try run(loop) { status != nil && events.count > 0 }
            #expect(events.count == 1 && watcher.isWatching)
        }
    }

    @Test("tells of no reader, and of each writer") func readers() throws {
        try withWatched { loop, path, watcher, events in
            try OpenFile(path, .readOnly).close()
            let writers = try [OpenFile(path, .readWrite), OpenFile(path, .append)]
            try writers[0].write([1])
            // Whatever the system tells, it tells within the call.
            loop.run(.noWait)
            #expect(events.count == 0)
            for (index, writer) in writers.enumerated() {
                writer.close()
                loop.run(.noWait)
                #expect(events.count == index + 1)
            }
            #expect(watcher.isWatching)
        }
    }

    @Test("tells that the file was moved, removed, replaced or touched, and watches it until it is gone")
    func names() throws {
        let changes: [(String, (String) throws -> Void, watchesOn: Bool)] = [
            ("moved", { try Files.rename($0, to: $0 + "2") }, true),
            ("removed", { try Files.unlink($0) }, false),
            (
                "replaced",
                {
                    try Posix.write("y", to: $0 + "2")
                    try Files.rename($0 + "2", to: $0)
                }, false
            ),
            ("touched", { try Posix.setModificationTime(1, of: $0) }, true),
        ]
        for (name, change, watchesOn) in changes {
            try withWatched { loop, path, watcher, events in
                let file = try OpenFile(path, .readOnly)
                try change(path)
                try run(loop) { events.count > 0 }
                #expect(watcher.isWatching, "\(name): it is still open")
                let before = events.count
                file.close()
                if !watchesOn { try run(loop) { events.count > before } }
                #expect(watcher.isWatching == watchesOn, "\(name)")
            }
        }
    }

    @Test("tells of lost events as of all others") func overflow() throws {
        try withWatched { loop, path, _, events in
            let setting = try Files.read("/proc/sys/fs/inotify/max_queued_events", limit: 20)
            let limit = try #require(Int(String(decoding: setting.dropLast(), as: UTF8.self)))
            let other = FileWatcher(on: loop)
            var isLost = false
            try other.start(String(path.dropLast(2))) { _, event in isLost = isLost || event == .overflow }
            for _ in 0..<limit / 4 + 1 {
                try Files.rename(path + "2", to: path + "3")
                try Files.rename(path + "3", to: path + "2")
            }
            try OpenFile(path, .readWrite).close()
            try run(loop) { isLost }
            #expect(events.count == 1)
            other.close()
        }
    }

    @Test("tells nothing after its close, and its owner if its loop has closed it") func closed() throws {
        for isCanceled in [false, true] {
            try withWatched { loop, path, watcher, events in
                var isTold = false
                watcher.onCanceled = { isTold = true }
                try OpenFile(path, .readWrite).close()
                if isCanceled { loop.closeHandles() } else { watcher.close() }
                loop.run()
                #expect(events.count == 0 && isTold == isCanceled && !watcher.isWatching)
            }
        }
    }

    @Test("keeps the loop running unless it is unreferenced") func references() throws {
        try withWatched { loop, _, watcher, _ in
            #expect(loop.isAlive)
            watcher.unref()
            loop.run()
        }
    }

    private final class Events { var count = 0 }

    private func withWatched(_ body: (Loop, String, WriterWatcher, Events) throws -> Void) throws {
        try withTemporaryDirectory { directory in
            let path = directory + "/f"
            try Posix.write("x", to: path)
            try Posix.write("x", to: path + "2")
            try withLoop { loop in
                let watcher = WriterWatcher(on: loop)
                defer { watcher.close() }
                let events = Events()
                watcher.onEvent = { events.count += 1 }
                let file = try OpenFile(path, .readOnly)
                try watcher.start(file)
                file.close()
                try body(loop, path, watcher, events)
            }
        }
    }
}
#endif
