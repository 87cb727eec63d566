import Libc

@testable import UVLoop

/// A name service for tests, which answers on demand: every call waits until the gate is open, or for a turn.
final class FakeNames: Sendable {
    private struct State {
        var asked: [String] = []
        var hung = 0
        var mostHung = 0
        var isOpen = false
        var lastMask: sigset_t?
    }

    /// A pipe with a byte for each call that may return; its writing end is closed when all may.
    private let gate: (reading: Int32, writing: Int32)
    /// A pipe with a byte for each call that has come.
    private let calls: (reading: Int32, writing: Int32)
    /// `Lock` is used instead of the standard library's `Mutex`, which ThreadSanitizer does not see.
    private let state = Lock(State())
    private let answer: @Sendable (String) -> Result<[SocketAddress], UVError>

    /// - Parameters:
    ///   - isOpen: true if the service answers at once.
    ///   - answer: the addresses of each host; by default one address.
    init(
        isOpen: Bool = false,
        answer: @escaping @Sendable (String) -> Result<[SocketAddress], UVError> = { _ in .success([FakeNames.address])
        },
    ) {
        self.answer = answer
        gate = FakeNames.makePipe()
        calls = FakeNames.makePipe()
        if isOpen { open() }
    }

    deinit {
        open()
        for descriptor in [gate.reading, calls.reading, calls.writing] { close(descriptor) }
    }

    private static func makePipe() -> (Int32, Int32) {
        var pair: [Int32] = [-1, -1]
        precondition(pipe(&pair) == 0, "pipe: \(errno)")
        return (pair[0], pair[1])
    }

    static let address = SocketAddress(.ipv4(0xC000_0201, port: 7))

    /// The hosts that were asked for so far, answered or not.
    var asked: [String] { state.withLock { $0.asked } }
    /// The number of calls that wait for an answer.
    var hung: Int { state.withLock { $0.hung } }
    /// The highest value of ``hung`` so far.
    var mostHung: Int { state.withLock { $0.mostHung } }
    /// Waits for the next call; each call is waited for once. To be used while no loop of the calling thread runs.
    func awaitCall() {
        var byte: UInt8 = 0
        var entry = pollfd(fd: calls.reading, events: Int16(POLLIN), revents: 0)
        precondition(poll(&entry, 1, 120_000) == 1 && read(calls.reading, &byte, 1) == 1, "nobody has asked")
    }

    /// The signals that the thread of the last call blocks.
    var lastMask: sigset_t? { state.withLock { $0.lastMask } }

    /// Lets every call return, now and later.
    func open() {
        state.withLock { state in
            if !state.isOpen { close(gate.writing) }
            state.isOpen = true
        }
    }

    /// Lets `count` calls return, waiting ones and later ones.
    func answer(_ count: Int) {
        let bytes = [UInt8](repeating: 0, count: count)
        precondition(write(gate.writing, bytes, count) == count, "write: \(errno)")
    }

    /// The service to give to a resolver, which then holds this object.
    var service: NameService {
        NameService(
            addresses: { host, _ throws(UVError) in
                self.wait(as: host)
                return try self.answer(host).get()
            },
            name: { address throws(UVError) in
                self.wait(as: address.description)
                _ = try self.answer(address.description).get()
                return NameService.Name(host: "host.example", service: "echo")
            },
        )
    }

    private func wait(as host: String) {
        var mask = sigset_t()
        pthread_sigmask(SIG_SETMASK, nil, &mask)
        state.withLock { state in
            state.lastMask = mask
            state.asked.append(host)
            state.hung += 1
            state.mostHung = max(state.mostHung, state.hung)
        }
        var byte: UInt8 = 0
        precondition(write(calls.writing, &byte, 1) == 1, "write: \(errno)")
        while read(gate.reading, &byte, 1) == -1 { precondition(errno == EINTR, "read: \(errno)") }
        state.withLock { $0.hung -= 1 }
    }
}
