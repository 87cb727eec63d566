import Libc
import TestSupport
import Testing
import UVLoop

@Suite("A file tail, of what cannot be followed or watched") struct FileTailObstacleTests {
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
}
