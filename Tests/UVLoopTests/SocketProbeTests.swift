import Libc
import TestSupport
import Testing
import UVLoop

@Suite("A socket probe") struct SocketProbeTests {
    @Test("tells a listener from a stale socket, a file and nothing") func tells() throws {
        try withTemporaryDirectory { directory in
            let path = directory + "/s"
            #expect(SocketProbe(path) == .missing)
            try withLoop { loop in
                let listener = try PipeListener(bindingTo: path, on: loop)
                #expect(SocketProbe(path) == .refused)
                try listener.listen { _, _ in }
                #expect(SocketProbe(path) == .accepting(pid: getpid()))
                listener.close()
                #expect(SocketProbe(path) == .refused)
            }
            _ = try OpenFile(directory + "/f", .createNew)
            #expect(SocketProbe(directory + "/f") == .refused)
            #expect(SocketProbe(directory + "/f/s") == .failed(.notDirectory))
            #expect(SocketProbe("") == .failed(.invalidArgument))
            #expect(SocketProbe(String(repeating: "x", count: 200)) == .failed(.nameTooLong))
        }
    }

    @Test("takes a link for no socket, whoever listens behind it") func link() throws {
        try withTemporaryDirectory { directory in
            try withLoop { loop in
                let listener = try PipeListener(bindingTo: directory + "/s", on: loop)
                try listener.listen { _, _ in }
                try Posix.makeSymbolicLink(at: directory + "/link", to: listener.path)
                let (probe, process) = SocketProbe.withListener(directory + "/link")
                #expect(probe == .refused && process == nil)
                listener.close()
            }
        }
    }

    @Test("takes a full backlog for somebody who is busy") func fullBacklog() throws {
        try withTemporaryDirectory { directory in
            try withLoop { loop in
                let listener = try PipeListener(bindingTo: directory + "/s", on: loop)
                try listener.listen(backlog: 1) { _, _ in }
                listener.pause()
                var probes: [SocketProbe] = []
                // A probe that has closed again still takes a place in the backlog.
                for _ in 0..<5 { probes.append(SocketProbe(listener.path)) }
                #expect(probes.first == .accepting(pid: getpid()))
                #expect(probes.last == .accepting(pid: nil))
                listener.close()
            }
        }
    }

    @Test("holds a listener that runs, and names none that has ended, whoever has its socket now") func listener()
        throws
    {
        try withTemporaryDirectory { directory in
            try withLoop { loop in
                let listener = try PipeListener(bindingTo: directory + "/s", on: loop)
                try listener.listen { _, _ in }
                let own = SocketProbe.withListener(listener.path)
                #expect(own.probe == .accepting(pid: getpid()))
                #expect(own.listener?.process.pid == getpid() && own.listener?.process.hasEnded == false)
                #expect(own.listener?.userID == geteuid())
                listener.close()
            }
            let run = try runProgram(
                siblingExecutable("uvloop-test-helper"), ["listen-and-leave", directory + "/left"])
            let heir = try #require(Int32(run.output.dropLast()), "\(run.output)")
            let left = SocketProbe.withListener(directory + "/left")
            #expect(left.probe == .accepting(pid: nil) && left.listener == nil)
            try Processes.send(.kill, to: heir)
        }
    }
}
