import Libc
import TestSupport
import Testing
import UVLoop

/// Does random operations on a loop, and counts their completions.
final class LoopDriver {
    /// A call that promises a completion.
    struct Operation {
        let name: String
        /// The handle whose close by its owner may drop the completion; nil if none may.
        let owner: ObjectIdentifier?
        var isWithinCall = true
        var completions = 0
        /// True if the call has thrown, and so promises nothing.
        var isRefused = false
    }

    /// A stream, and the operations that are no mistake on it.
    final class DrivenStream {
        let stream: UVLoop.Stream
        var mayWrite = true
        /// False while the stream is being read.
        var mayRead = true

        init(_ stream: UVLoop.Stream) { self.stream = stream }
    }

    private(set) var operations: [Operation] = []
    /// True once completions must start nothing new.
    var isEnding = false
    let loop: Loop
    let seed: UInt64
    let directory: String
    let names = FakeNames()
    let resolver: Resolver
    let terminal: PseudoTerminal
    /// A listener that accepts, one that refuses, and one that never accepts.
    let (tcp, refusing, full): (TCPListener, TCPListener, TCPListener)
    let unix: PipeListener
    var streams: [DrivenStream] = []
    var sockets: [UDPSocket] = []
    var readers: [FileReader] = []
    var writers: [FileWriter] = []
    var lookups: [Lookup] = []
    var connects: [TCPConnect] = []
    var works: [WorkRequest] = []
    private var handles: [Handle] = []
    private var closed: Set<ObjectIdentifier> = []
    private var random: SeededGenerator
    private static let maximumOperations = 160

    init(seed: UInt64, in directory: String, on loop: Loop) throws {
        self.seed = seed
        self.directory = directory
        self.loop = loop
        random = SeededGenerator(seed: seed)
        resolver = Resolver(threads: 2, waiting: 4, service: names.service)
        terminal = try #require(PseudoTerminal())
        tcp = try TCPListener(bindingTo: .loopback(.ipv4, port: 0), on: loop)
        refusing = try TCPListener(bindingTo: .loopback(.ipv4, port: 0), on: loop)
        full = try TCPListener(bindingTo: .loopback(.ipv4, port: 0), backlog: 0, on: loop)
        unix = try PipeListener(bindingTo: "\(directory)/s", on: loop)
        try Posix.write([UInt8](repeating: 7, count: 400_000), to: "\(directory)/file")
        try tcp.listen { [unowned self] listener, client in
            mustBeOpen(listener)
            if case .success(let client) = client { take(client) }
        }
        try unix.listen { [unowned self] listener, client in
            mustBeOpen(listener)
            if case .success(let client) = client { take(client) }
        }
        try full.listen { _, _ in }
        full.pause()
        for handle in [tcp, refusing, full, unix] as [Handle] { own(handle) }
        let datagrams = try UDPSocket(bindingTo: .loopback(.ipv4, port: 0), on: loop)
        sockets = [datagrams, try UDPSocket(connectingTo: refusing.localAddress, on: loop)]
        for socket in sockets {
            own(socket)
            try socket.receiveStart(
                onMessage: { [unowned self] socket, _, _ in mustBeOpen(socket) },
                onError: { [unowned self] socket, _ in mustBeOpen(socket) })
        }
    }

    // MARK: Chance

    func number(below limit: Int) -> Int { Int.random(in: 0..<limit, using: &random) }

    func chance(_ percent: Int) -> Bool { number(below: 100) < percent }

    func pick<Value>(_ values: [Value]) -> Value? { values.randomElement(using: &random) }

    var someTime: Duration { chance(20) ? .seconds(Int64.max) : .milliseconds(number(below: 20)) }

    // MARK: Operations

    /// Does one random operation.
    func act() {
        guard operations.count < LoopDriver.maximumOperations else { return }
        switch number(below: 100) {
        case 0..<55: actOnStreams()
        case 55..<92: actOnOthers()
        case 92..<97: closeOne()
        case 97: loop.stop()
        default: loop.closeHandles()
        }
    }

    /// Calls `body`, which promises to call its argument once and later, unless it throws.
    func ask(_ name: String, of owner: Handle? = nil, _ body: (@escaping () -> Void) throws -> Void) {
        let index = operations.count
        operations.append(Operation(name: name, owner: owner.map { ObjectIdentifier($0) }))
        do { try body { self.completed(index) } } catch { operations[index].isRefused = true }
        operations[index].isWithinCall = false
    }

    private func completed(_ index: Int) {
        operations[index].completions += 1
        if operations[index].isWithinCall { Issue.record("seed \(seed): \(operations[index].name): within its call") }
        guard !isEnding else { return }
        if chance(25) { act() }
        if chance(4) { closeOne() }
        if chance(2) { loop.closeHandles() }
    }

    // MARK: Handles

    /// Takes a handle, which reports its end if the loop closes it.
    func own(_ handle: Handle) {
        handles.append(handle)
        ask("end of \(type(of: handle))", of: handle) { handle.onCanceled = $0 }
    }

    /// True unless this driver has closed the handle: using it would then be a mistake.
    func isMine(_ handle: Handle) -> Bool { !closed.contains(ObjectIdentifier(handle)) }

    /// Records an issue if the handle was closed by its owner. For callbacks that never come after that.
    func mustBeOpen(_ handle: Handle) {
        if !isMine(handle) { Issue.record("seed \(seed): a callback of a closed \(type(of: handle))") }
        if !isEnding, chance(5) { act() }
    }

    /// Notes a close by the owner: the handle's end need not be reported then.
    func noteEnd(of handle: Handle) { closed.insert(ObjectIdentifier(handle)) }

    private func closeOne() {
        guard let handle = pick(handles.filter(isMine)) else { return }
        noteEnd(of: handle)
        if let stream = handle as? TCPStream, chance(30) {
            return ask("reset") { stream.reset($0) }
        }
        ask("close of \(type(of: handle))") { handle.close($0) }
    }

    // MARK: Results

    func end() {
        names.open()
        close(terminal.controller)
        close(terminal.terminal)
        for (index, operation) in operations.enumerated() {
            // An end that the owner has caused need not be reported.
            let isOptional = operation.owner.map { closed.contains($0) || failed.contains($0) } ?? false
            let expected = operation.isRefused ? 0...0 : isOptional ? 0...1 : 1...1
            guard !expected.contains(operation.completions) else { continue }
            Issue.record("seed \(seed): \(index), \(operation.name): \(operation.completions) completions")
        }
    }

    /// The streams that have closed themselves, after a failed connect for instance.
    private var failed: Set<ObjectIdentifier> = []

    func noteFailure(of handle: Handle) { failed.insert(ObjectIdentifier(handle)) }
}
