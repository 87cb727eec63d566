import TestSupport
import Testing

@testable import UVLoop

@Suite("Happy eyeballs") struct HappyEyeballsTests {
    private let a6 = address6(1)
    private let b6 = address6(2)
    private let c6 = address6(3)
    private let a4 = address4(1)
    private let b4 = address4(2)

    /// Returns a choice that begins at time zero of a clock which the test sets.
    private func machine(_ families: Resolver.Families = .all, start: Duration = .zero) -> HappyEyeballs {
        HappyEyeballs(families: families, at: start)
    }

    // MARK: Answers

    @Test("begins with IPv6 at once when it comes first, and paces the next") func ipv6First() {
        var machine = machine()
        #expect(
            machine.handle(.answered(.ipv6, .success([a6, b6])), at: ms(5))
                == [.connect(attempt: 0, a6), .arm(ms(250))])
        #expect(machine.handle(.answered(.ipv4, .success([a4])), at: ms(6)) == [])
        #expect(machine.handle(.delayPassed, at: ms(255)) == [.connect(attempt: 1, a4), .arm(ms(250))])
        #expect(machine.handle(.delayPassed, at: ms(505)) == [.connect(attempt: 2, b6)])
        #expect(machine.handle(.connected(attempt: 1), at: ms(600)) == [.win(attempt: 1, abandoning: [0, 2])])
    }

    @Test("takes turns between the families, whatever their numbers", arguments: [true, false]) func turns(apart: Bool)
    {
        var machine = machine()
        var tried: [SocketAddress] = []
        var actions: [HappyEyeballs.Action]
        if apart {
            actions = machine.handle(.answered(.ipv6, .success([a6, b6, c6])), at: .zero)
            actions += machine.handle(.answered(.ipv4, .success([a4, b4])), at: .zero)
        } else {
            actions = machine.handle(.answered(.all, .success([a4, a6, b4, b6, c6])), at: .zero)
        }
        while actions.contains(.arm(ms(250))) {
            tried += actions.compactMap(\.address)
            actions = machine.handle(.delayPassed, at: .zero)
        }
        tried += actions.compactMap(\.address)
        #expect(tried == [a6, a4, b6, b4, c6])
    }

    @Test("has IPv4 wait 50 ms for IPv6, which comes in time") func inTime() {
        var machine = machine()
        #expect(machine.handle(.answered(.ipv4, .success([a4])), at: ms(3)) == [.arm(ms(50))])
        #expect(
            machine.handle(.answered(.ipv6, .success([a6])), at: ms(40)) == [.connect(attempt: 0, a6), .arm(ms(250))])
        #expect(machine.handle(.delayPassed, at: ms(290)) == [.connect(attempt: 1, a4)])
    }

    @Test("begins with IPv4 if IPv6 is late, and has it next when it comes") func late() {
        var machine = machine()
        #expect(machine.handle(.answered(.ipv4, .success([a4, b4])), at: ms(3)) == [.arm(ms(50))])
        #expect(machine.handle(.delayPassed, at: ms(53)) == [.connect(attempt: 0, a4), .arm(ms(250))])
        #expect(machine.handle(.answered(.ipv6, .success([a6])), at: ms(60)) == [])
        #expect(machine.handle(.delayPassed, at: ms(303)) == [.connect(attempt: 1, a6), .arm(ms(250))])
        #expect(machine.handle(.delayPassed, at: ms(553)) == [.connect(attempt: 2, b4)])
    }

    @Test("does not wait for IPv6 any more once there is none", arguments: [nil, UVError.noAddress])
    func noIPv6(error: UVError?) {
        var machine = machine()
        #expect(machine.handle(.answered(.ipv4, .success([a4])), at: ms(3)) == [.arm(ms(50))])
        let answer: Result<[SocketAddress], UVError> = error.map { .failure($0) } ?? .success([])
        #expect(machine.handle(.answered(.ipv6, answer), at: ms(4)) == [.connect(attempt: 0, a4), .disarm])
    }

    @Test("does not wait for IPv6 that was not asked for, or has been answered") func unasked() {
        var four = machine(.ipv4)
        #expect(four.handle(.answered(.ipv4, .success([a4])), at: .zero) == [.connect(attempt: 0, a4)])
        var six = machine(.ipv6)
        #expect(
            six.handle(.answered(.ipv6, .success([a6, b6])), at: .zero) == [.connect(attempt: 0, a6), .arm(ms(250))])
        var empty = machine()
        #expect(empty.handle(.answered(.ipv6, .success([])), at: .zero) == [])
        #expect(empty.handle(.answered(.ipv4, .success([a4])), at: .zero) == [.connect(attempt: 0, a4)])
        var together = machine()
        #expect(together.handle(.answered(.all, .success([a4])), at: .zero) == [.connect(attempt: 0, a4)])
    }

    @Test("tries an address once that comes twice") func twice() {
        var machine = machine()
        #expect(
            machine.handle(.answered(.ipv6, .success([a6, a6])), at: .zero)
                == [.connect(attempt: 0, a6), .arm(ms(250))])
        #expect(machine.handle(.answered(.ipv4, .success([a6])), at: .zero) == [.disarm])
        #expect(machine.handle(.failed(attempt: 0, .connectionRefused), at: .zero).last?.isEnd == true)
    }

    // MARK: The delay

    @Test("stops the timer when nothing more can come") func disarms() {
        var machine = machine()
        #expect(
            machine.handle(.answered(.ipv6, .success([a6])), at: .zero) == [.connect(attempt: 0, a6), .arm(ms(250))])
        #expect(machine.handle(.answered(.ipv4, .failure(.noAddress)), at: ms(1)) == [.disarm])
        #expect(machine.handle(.delayPassed, at: ms(250)) == [], "one that was about to fire")
        #expect(machine.handle(.connected(attempt: 0), at: ms(300)) == [.win(attempt: 0, abandoning: [])])
    }

    @Test("tries at once what comes after the delay has passed") func due() {
        var machine = machine()
        _ = machine.handle(.answered(.ipv6, .success([a6])), at: .zero)
        #expect(machine.handle(.delayPassed, at: ms(250)) == [])
        #expect(
            machine.handle(.answered(.ipv4, .success([a4, b4])), at: ms(400))
                == [.connect(attempt: 1, a4), .arm(ms(250))])
    }

    @Test("has a delay of at least 10 ms") func shortest() {
        var machine = HappyEyeballs(
            families: .ipv4, delays: .init(resolution: .zero, attempt: .zero), at: .zero)
        #expect(
            machine.handle(.answered(.ipv4, .success([a4, b4])), at: .zero)
                == [.connect(attempt: 0, a4), .arm(ms(10))])
    }

    // MARK: Failures

    @Test("tries the next at once after a failure, and counts the delay anew") func failure() {
        var machine = machine()
        _ = machine.handle(.answered(.all, .success([a6, a4, b6])), at: .zero)
        #expect(
            machine.handle(.failed(attempt: 0, .networkUnreachable), at: .zero)
                == [.connect(attempt: 1, a4), .arm(ms(250))])
        #expect(
            machine.handle(.failed(attempt: 1, .connectionRefused), at: ms(7)) == [.connect(attempt: 2, b6), .disarm])
        let error = ConnectError(
            error: .connectionReset,
            attempts: [
                .init(address: a6, error: .networkUnreachable, begun: .zero, lasted: .zero),
                .init(address: a4, error: .connectionRefused, begun: .zero, lasted: ms(7)),
                .init(address: b6, error: .connectionReset, begun: ms(7), lasted: ms(2)),
            ], lookups: [])
        #expect(machine.handle(.failed(attempt: 2, .connectionReset), at: ms(9)) == [.fail(error, abandoning: [])])
    }

    @Test("tries the next at once when an earlier attempt fails, too") func earlierFailure() {
        var machine = machine()
        _ = machine.handle(.answered(.all, .success([a6, a4, b6, b4])), at: .zero)
        _ = machine.handle(.delayPassed, at: ms(250))
        #expect(
            machine.handle(.failed(attempt: 0, .connectionRefused), at: ms(260))
                == [.connect(attempt: 2, b6), .arm(ms(250))])
    }

    @Test("waits for the other family after the last address has failed, and tries it at once") func failsBeforeAnswer()
    {
        var machine = machine()
        _ = machine.handle(.answered(.ipv6, .success([a6])), at: .zero)
        #expect(machine.handle(.failed(attempt: 0, .networkUnreachable), at: ms(1)) == [.disarm])
        #expect(machine.handle(.answered(.ipv4, .success([a4])), at: ms(90)) == [.connect(attempt: 1, a4)])
        var failing = self.machine()
        _ = failing.handle(.answered(.ipv6, .success([a6])), at: .zero)
        _ = failing.handle(.failed(attempt: 0, .networkUnreachable), at: ms(1))
        let error = ConnectError(
            error: .networkUnreachable,
            attempts: [.init(address: a6, error: .networkUnreachable, begun: .zero, lasted: ms(1))],
            lookups: [.init(families: .ipv4, error: .lookupTemporarilyFailed)])
        #expect(
            failing.handle(.answered(.ipv4, .failure(.lookupTemporarilyFailed)), at: ms(90))
                == [.fail(error, abandoning: [])])
    }

    @Test("waits for the attempts under way after the last address has failed") func lastFails() {
        var machine = machine()
        _ = machine.handle(.answered(.all, .success([a6, a4])), at: .zero)
        _ = machine.handle(.delayPassed, at: ms(250))
        #expect(machine.handle(.failed(attempt: 1, .connectionRefused), at: ms(260)) == [])
        #expect(machine.handle(.connected(attempt: 0), at: ms(9000)) == [.win(attempt: 0, abandoning: [])])
    }

    @Test("gives nothing up while it waits: an attempt may take longer than all delays") func slow() {
        var machine = machine()
        var actions = machine.handle(.answered(.all, .success([a6, b6, a4, b4])), at: .zero)
        for number in 1...3 { actions += machine.handle(.delayPassed, at: ms(250 * number)) }
        #expect(actions.compactMap(\.address).count == 4 && !actions.contains { $0.isEnd })
        #expect(machine.handle(.connected(attempt: 0), at: ms(20_000)) == [.win(attempt: 0, abandoning: [1, 2, 3])])
    }

    @Test("fails when there are no addresses, with the look-ups' errors") func noAddresses() {
        var machine = machine()
        #expect(machine.handle(.answered(.ipv4, .failure(.lookupFailed)), at: ms(1)) == [])
        let error = ConnectError(
            error: .unknownName, attempts: [],
            lookups: [.init(families: .ipv4, error: .lookupFailed), .init(families: .ipv6, error: .unknownName)])
        #expect(machine.handle(.answered(.ipv6, .failure(.unknownName)), at: ms(2)) == [.fail(error, abandoning: [])])
        var empty = self.machine()
        #expect(empty.handle(.answered(.ipv6, .success([])), at: ms(1)) == [])
        #expect(
            empty.handle(.answered(.ipv4, .success([])), at: ms(1))
                == [.fail(ConnectError(error: .noAddress, attempts: [], lookups: []), abandoning: [])])
    }

    // MARK: The end

    @Test("lists every attempt at the deadline, with times from the beginning") func deadline() {
        var machine = machine(start: ms(1000))
        _ = machine.handle(.answered(.all, .success([a6, a4, b6, b4])), at: ms(1010))
        _ = machine.handle(.failed(attempt: 0, .networkUnreachable), at: ms(1011))
        _ = machine.handle(.delayPassed, at: ms(1261))
        let error = ConnectError(
            error: .timedOut,
            attempts: [
                .init(address: a6, error: .networkUnreachable, begun: ms(10), lasted: ms(1)),
                .init(address: a4, error: .timedOut, begun: ms(11), lasted: ms(289)),
                .init(address: b6, error: .timedOut, begun: ms(261), lasted: ms(39)),
            ], lookups: [])
        #expect(machine.handle(.gaveUp(.timedOut), at: ms(1300)) == [.disarm, .fail(error, abandoning: [1, 2])])
        #expect(
            "\(error)"
                == "ETIMEDOUT: connection timed out ([2001:db8::1]:80 after 10 ms for 1 ms: ENETUNREACH; "
                + "192.0.2.1:80 after 11 ms for 289 ms: ETIMEDOUT; [2001:db8::2]:80 after 261 ms for 39 ms: ETIMEDOUT)")
    }

    @Test("can be given up at every stage") func cancel() {
        let nothing = ConnectError(error: .canceled, attempts: [], lookups: [])
        var machine = machine()
        #expect(machine.handle(.gaveUp(.canceled), at: .zero) == [.fail(nothing, abandoning: [])])
        machine = self.machine()
        _ = machine.handle(.answered(.ipv4, .success([a4])), at: .zero)
        #expect(machine.handle(.gaveUp(.canceled), at: .zero) == [.disarm, .fail(nothing, abandoning: [])])
        #expect("\(nothing)" == "ECANCELED: operation canceled")
    }

    @Test("does nothing after its end") func afterEnd() {
        var machine = machine()
        _ = machine.handle(.answered(.ipv6, .success([a6, b6])), at: .zero)
        #expect(machine.handle(.connected(attempt: 0), at: ms(1)) == [.disarm, .win(attempt: 0, abandoning: [])])
        let inputs: [HappyEyeballs.Input] = [
            .answered(.ipv4, .success([a4])), .answered(.ipv4, .failure(.noAddress)), .delayPassed,
            .connected(attempt: 0),
            .failed(attempt: 0, .connectionReset), .failed(attempt: 1, .connectionReset), .gaveUp(.timedOut),
        ]
        for input in inputs { #expect(machine.handle(input, at: ms(2)) == []) }
    }

    // MARK: Everything

    @Test("tries every address at most once and ends once, whatever happens", arguments: 0..<200) func random(
        seed: UInt64
    ) {
        var world = RandomWorld(seed: seed)
        world.run()
    }
}
