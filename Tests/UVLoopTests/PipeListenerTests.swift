import Libc
import TestSupport
import Testing

@testable import UVLoop

@Suite("A listener") struct PipeListenerTests {
    @Test("binds the longest path there is, and harms no file with a longer name") func longestPath() throws {
        try withTemporaryDirectory { directory in
            let longest = directory + "/" + String(repeating: "s", count: 106 - directory.utf8.count)
            let decoy = longest + "-and-more"
            let file = try OpenFile(decoy, .createNew)
            try withLoop { loop in
                #expect(throws: UVError.nameTooLong) { try PipeListener(bindingTo: decoy, on: loop) }
                let listener = try PipeListener(bindingTo: longest, on: loop)
                try listener.listen { _, _ in }
                listener.close()
            }
            #expect(try Files.status(of: decoy).identity == file.status().identity)
            #expect(try Files.names(inDirectory: directory).count == 2)
        }
    }

    @Test("makes a socket of mode 0600 that refuses until it listens") func mode() throws {
        try withTemporaryDirectory { directory in
            try withLoop { loop in
                let listener = try PipeListener(bindingTo: directory + "/s", on: loop)
                let status = try Files.status(of: listener.path, followingLinks: false)
                #expect(status.kind == .socket)
                #expect(status.permissions == 0o600)
                #expect(status.identity == listener.identity)
                #expect(SocketProbe(listener.path) == .refused)
                listener.close()
            }
        }
    }

    @Test("is mode 0600 at the first instant that anybody can see, whatever the umask") func umask() throws {
        try expectScenario("wide-open-umask")
    }

    @Test("leaves what has its path untouched") func existingPath() throws {
        try withTemporaryDirectory { directory in
            try withLoop { loop in
                let path = directory + "/f"
                let file = try OpenFile(path, .createNew)
                try file.write([1, 2, 3])
                #expect(throws: UVError.addressInUse) { try PipeListener(bindingTo: path, on: loop) }
                #expect(try Files.read(path, limit: 10) == [1, 2, 3])
                #expect(throws: UVError.noEntry) { try PipeListener(bindingTo: directory + "/no/s", on: loop) }
                #expect(throws: UVError.notDirectory) { try PipeListener(bindingTo: path + "/s", on: loop) }
                #expect(loop.openHandles.count == 1, "only the watchdog")
            }
        }
    }

    @Test("leaves its path, and one that was bound again meanwhile, when it closes") func closeKeepsPath() throws {
        try withTemporaryDirectory { directory in
            try withLoop { loop in
                let path = directory + "/s"
                let first = try PipeListener(bindingTo: path, on: loop)
                try Files.unlink(path)
                let second = try PipeListener(bindingTo: path, on: loop)
                try second.listen { _, _ in }
                first.close()
                loop.run(.noWait)
                #expect(SocketProbe(path) == .accepting(pid: getpid()))
                #expect(try Files.status(of: path).identity == second.identity)
                #expect(first.identity != second.identity)
                second.close()
            }
            #expect(try Files.status(of: directory + "/s").kind == .socket)
        }
    }

    @Test("refuses clients from the moment of its close") func refusesAfterClose() throws {
        try withTemporaryDirectory { directory in
            try withLoop { loop in
                let listener = try PipeListener(bindingTo: directory + "/s", on: loop)
                try listener.listen { _, _ in Issue.record("a client was accepted") }
                // The copy stands for a child that is just being forked.
                let copy = dup(listener.descriptor)
                defer { close(copy) }
                listener.close()
                #expect(SocketProbe(listener.path) == .refused)
            }
        }
    }

    @Test("may be closed in its callback, with further clients waiting") func closesInCallback() throws {
        try withTemporaryDirectory { directory in
            try withLoop { loop in
                let listener = try PipeListener(bindingTo: directory + "/s", on: loop)
                var accepted = 0
                try listener.listen { listener, result in
                    accepted += 1
                    listener.close()
                    expectNoError { try result.get().close() }
                }
                for _ in 0..<5 {
                    _ = try PipeStream(connectingTo: listener.path, on: loop) { stream, _ in stream.close() }
                }
                loop.run()
                #expect(accepted == 1)
            }
        }
    }

    @Test("accepts more clients than one wake-up takes, each once") func manyClients() throws {
        try withTemporaryDirectory { directory in
            try withLoop { loop in
                let listener = try PipeListener(bindingTo: directory + "/s", on: loop)
                var accepted = 0
                try listener.listen { listener, result in
                    accepted += 1
                    expectNoError { try result.get().close() }
                    if accepted == 200 { listener.close() }
                }
                for _ in 0..<200 {
                    _ = try PipeStream(connectingTo: listener.path, on: loop) { stream, error in
                        #expect(error == nil)
                        stream.close()
                    }
                }
                loop.run()
                #expect(accepted == 200)
            }
        }
    }

    @Test("accepts nobody while paused, and everybody who waited afterwards") func pauses() throws {
        try withTemporaryDirectory { directory in
            try withLoop { loop in
                let listener = try PipeListener(bindingTo: directory + "/s", on: loop)
                var accepted = 0
                try listener.listen { listener, result in
                    accepted += 1
                    if accepted == 1 { listener.pause() }
                    expectNoError { try result.get().close() }
                }
                var connected = 0
                for _ in 0..<3 {
                    _ = try PipeStream(connectingTo: listener.path, on: loop) { stream, _ in
                        connected += 1
                        stream.close()
                    }
                }
                try run(loop) { connected == 3 && accepted == 1 }
                for _ in 0..<3 { loop.run(.noWait) }
                #expect(accepted == 1)
                try listener.resume()
                try run(loop) { accepted == 3 }
                #expect(accepted == 3)
                listener.close()
            }
        }
    }

    @Test("drops nobody and does not spin when descriptors run out") func withoutDescriptors() throws {
        try expectScenario("accept-without-descriptors")
    }

    @Test("may be paused after its close") func paused() throws {
        try withTemporaryDirectory { directory in
            try withLoop { loop in
                let listener = try PipeListener(bindingTo: directory + "/s", on: loop)
                listener.close()
                listener.pause()
            }
        }
    }

    @Test("that cannot be finished leaves no socket file behind") func leavesNothing() throws {
        try expectScenario("unfinished-files")
    }
}
