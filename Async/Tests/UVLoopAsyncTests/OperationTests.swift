import TestSupport
import Testing
import UVLoop
import UVLoopAsync

@Suite("Datagrams, names and signals for tasks") struct OperationTests {
    @Test("datagrams arrive with their senders; a canceled receive ends, and the next one goes on") func datagrams()
        async throws
    {
        try await withExecutor { executor in
            let one = try await Datagrams.bind(to: .loopback(.ipv4, port: 0), on: executor)
            let other = try await Datagrams.connect(to: one.address, on: executor)
            let waiting = Task { try await one.receive() }
            waiting.cancel()
            await #expect(throws: UVError.canceled) { try await waiting.value }
            // Loopback keeps the order, and loses none of so few.
            for number: UInt8 in 0..<20 { try await other.send([number]) }
            for number: UInt8 in 0..<20 {
                let message = try #require(try await one.receive())
                #expect(message.bytes == [number] && message.sender == other.address)
            }
            await #expect(throws: UVError.messageTooLong) {
                try await other.send([UInt8](repeating: 0, count: UDPSocket.maximumMessageLength + 1000))
            }
            let messages = Task {
                var count = 0
                for try await _ in one.messages { count += 1 }
                return count
            }
            try await other.send([1])
            try await until("it was received") {
                try await executor.run { _ in }; return await one.isActive
            }
            await one.close()
            #expect(try await messages.value <= 1)
            await other.close()
        }
    }

    @Test("a socket that has received nothing is canceled after the end of the loop") func afterTheEnd() async throws {
        let executor = try LoopExecutor()
        let socket = try await Datagrams.bind(to: .loopback(.ipv4, port: 0), on: executor)
        await executor.shutdown()
        await #expect(throws: UVError.canceled) { try await socket.receive() }
        await #expect(throws: UVError.canceled) { try await socket.send([1]) }
    }

    @Test("a name is resolved, one that is none is an error, and a canceled look-up ends") func names() async throws {
        try await withExecutor { executor in
            let addresses = try await Resolver.shared.addresses(of: "localhost", port: 80, on: executor)
            #expect(!addresses.isEmpty && addresses.allSatisfy { $0.isLoopback && $0.port == 80 })
            await #expect(throws: UVError.invalidArgument) {
                try await Resolver.shared.addresses(of: "", port: 80, on: executor)
            }
            let canceled = Task { try await Resolver.shared.addresses(of: "localhost", port: 80, on: executor) }
            canceled.cancel()
            _ = await canceled.result
            #expect(try await Resolver.shared.name(of: .loopback(.ipv4, port: 80), on: executor).host.isEmpty == false)
        }
    }

    @Test("signals come in order") func signals() async throws {
        try await withExecutor { executor in
            var signals = executor.signals(.windowChange).makeAsyncIterator()
            let waiting = Task {
                var others = executor.signals(.windowChange).makeAsyncIterator()
                return try await others.next()
            }
            try await until("it is watched") { try await executor.run { loop in !loop.openHandles.isEmpty } }
            try Processes.send(.windowChange, to: CurrentProcess.id)
            #expect(try await waiting.value == .windowChange)
            let canceled = Task { [signals] in
                var signals = signals
                return try await signals.next()
            }
            canceled.cancel()
            await #expect(throws: UVError.canceled) { try await canceled.value }
            _ = signals
            signals = executor.signals(.windowChange).makeAsyncIterator()
        }
    }
}

extension Datagrams {
    var isActive: Bool { socket.isActive }
}
