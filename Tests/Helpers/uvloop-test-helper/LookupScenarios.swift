import Libc
import UVLoop

/// A process whose look-up hangs ends when it returns from its main function.
func endDuringLookup() throws {
    let loop = try Loop()
    let resolver = Resolver(service: hanging)
    var outcome: UVError?
    try resolver.addresses(of: "host", port: 80, deadline: .milliseconds(1), on: loop) { result in
        if case .failure(let error) = result { outcome = error }
    }
    loop.run()
    require(outcome == .timedOut, "\(String(describing: outcome))")
    try end(loop)
}

/// The resolver's threads cannot be made: an error at first, then those that there are do the work.
func lookupWithoutThreads() throws {
    let isAlone = becomeUserWithoutProcesses()
    let loop = try Loop()
    let address = try SocketAddress.loopback(.ipv4, port: 0)
    let (gate, held) = socketPair()
    let service = NameService(
        addresses: { _, _ in
            // Until the other end is closed.
            var byte: UInt8 = 0
            while read(gate, &byte, 1) == -1 {}
            return [address]
        },
        name: hanging.name,
    )
    let resolver = Resolver(service: service)
    var answers = 0
    func ask() throws(UVError) {
        try resolver.addresses(of: "host", port: 80, on: loop) { result in
            if case .success = result { answers += 1 }
        }
    }
    setProcessLimit(1)
    do throws(UVError) {
        try ask()
        fail("a thread beyond the limit")
    } catch {
        require(error == .wouldBlock, "\(error)")
    }
    loop.run()
    require(answers == 0, "an answer to a question that was refused")
    // One thread can be made if the user has no other processes, and the others' questions wait for it.
    setProcessLimit(isAlone ? 2 : nil)
    for _ in 0..<3 { try ask() }
    setProcessLimit(nil)
    close(held)
    loop.run()
    require(answers == 3, "\(answers) answers")
    try end(loop)
    close(gate)
}

private let hanging = NameService(
    addresses: { _, _ in
        while true { pause() }
    },
    name: { _ in
        while true { pause() }
    },
)
