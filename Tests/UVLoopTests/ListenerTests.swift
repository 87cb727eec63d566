import Libc
import TestSupport
import Testing
import UVLoop

@Suite("A listener from elsewhere") struct ListenerTests {
    @Test("takes over a socket that listens, and leaves it to others when it closes") func takesOver() throws {
        try withTemporaryDirectory { directory in
            try withLoop { loop in
                let first = try PipeListener(bindingTo: directory + "/s", on: loop)
                try first.listen { _, _ in Issue.record("the other one was to accept") }
                let second = try PipeListener(takingOwnershipOf: dup(first.descriptor), on: loop)
                #expect(second.path == first.path && second.identity == first.identity)
                #expect(second.isShared && !first.isShared)
                first.isShared = true
                first.close()
                var accepted = 0
                try second.listen { listener, client in
                    accepted += 1
                    expectNoError { try client.get().close() }
                    listener.close()
                }
                let kept = dup(second.descriptor)
                defer { close(kept) }
                _ = try PipeStream(connectingTo: second.path, on: loop) { stream, error in
                    #expect(error == nil)
                    stream.close()
                }
                loop.run()
                #expect(accepted == 1)
                // Another holder of the socket still listens.
                #expect(SocketProbe(directory + "/s") == .accepting(pid: getpid()))
            }
        }
    }

    @Test("is a bound socket, close-on-exec from then on") func bound() throws {
        try withTemporaryDirectory { directory in
            try withLoop { loop in
                let first = try PipeListener(bindingTo: directory + "/s", on: loop)
                let copy = dup(first.descriptor)
                let second = try PipeListener(takingOwnershipOf: copy, on: loop)
                #expect(fcntl(copy, F_GETFD) & FD_CLOEXEC != 0)
                #expect(SocketProbe(first.path) == .refused)
                first.isShared = true
                first.close()
                try second.listen { _, _ in }
                #expect(SocketProbe(second.path) == .accepting(pid: getpid()))
                second.close()
            }
        }
    }

    @Test("is refused if it is no such socket, and stays the caller's") func refused() throws {
        try withTemporaryDirectory { directory in
            try withLoop { loop in
                let (reading, writing) = pipePair()
                let listener = try PipeListener(bindingTo: directory + "/s", on: loop)
                try listener.listen { _, _ in }
                let (one, other) = try makeStreamPair(on: loop)
                let unbound = Libc.socket(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0)
                let datagram = Libc.socket(AF_UNIX, CInt(SOCK_DGRAM.rawValue), 0)
                let network = Libc.socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
                let cases: [(Int32, UVError)] = [
                    (-1, .badDescriptor), (reading, .notSocket), (one.descriptor!, .invalidArgument),
                    (unbound, .invalidArgument), (datagram, .invalidArgument), (network, .invalidArgument),
                ]
                for (descriptor, error) in cases {
                    #expect(throws: error) { try PipeListener(takingOwnershipOf: descriptor, on: loop) }
                    if descriptor >= 0 { #expect(fcntl(descriptor, F_GETFD) >= 0, "still open") }
                }
                try Files.unlink(listener.path)
                #expect(throws: UVError.noEntry) {
                    try PipeListener(takingOwnershipOf: listener.descriptor, on: loop)
                }
                for descriptor in [reading, writing, unbound, datagram, network] { close(descriptor) }
                for handle in [one, other, listener] as [Handle] { handle.close() }
            }
        }
    }
}
