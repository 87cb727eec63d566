/// The choice among a host's addresses by RFC 8305: the order and time of the attempts, and the connection to take.
///
/// A value without loop, timer or socket: its inputs are events, its outputs actions. IPv6 and IPv4 take turns, IPv6
/// first; while IPv6 addresses are still to arrive, IPv4 addresses wait a moment. Each attempt follows the one before
/// after a delay, or at once when any fails. An attempt is given up only after one has succeeded or the caller gives
/// up: a slow network may need longer than the delay for every address, and would never be reached otherwise.
struct HappyEyeballs {
    /// The times of RFC 8305, sections 3 and 5.
    struct Delays {
        /// The time that IPv4 addresses wait for IPv6 ones.
        var resolution = Duration.milliseconds(50)
        /// The time from one attempt to the next one beside it; at least 10 ms, as the RFC demands.
        var attempt = Duration.milliseconds(250)
    }

    /// An event. After the end, events are ignored: attempts and look-ups that were given up may still report.
    enum Input {
        /// A question for addresses of these families was answered; each family is answered once. An empty answer is
        /// allowed.
        case answered(Resolver.Families, Result<[SocketAddress], UVError>)
        /// The timer that was armed has fired.
        case delayPassed
        /// An attempt has failed.
        case failed(attempt: Int, UVError)
        /// An attempt has succeeded.
        case connected(attempt: Int)
        /// The deadline has passed (``UVError/timedOut``), or the caller has canceled (``UVError/canceled``).
        case gaveUp(UVError)
    }

    /// An action, to be done in the order given. `win` or `fail` comes once, as the end: all attempts and look-ups
    /// under way are to be closed then.
    enum Action: Equatable {
        /// Begin an attempt; attempts are numbered from 0.
        case connect(attempt: Int, SocketAddress)
        /// Report ``Input/delayPassed`` after this time, instead of after a time armed before.
        case arm(Duration)
        /// Do not report ``Input/delayPassed``.
        case disarm
        /// Take this connection, and close the other attempts under way.
        case win(attempt: Int, abandoning: [Int])
        /// Report the error, and close the attempts under way.
        case fail(ConnectError, abandoning: [Int])
    }

    private enum Phase {
        /// No address has arrived; IPv6 ones still may.
        case resolving
        /// IPv4 addresses have arrived and none was tried; the timer runs for the IPv6 ones.
        case delaying
        /// The timer runs for the next attempt; an address for it is known, or may be by then.
        case pacing
        /// No address is left; the next to arrive is tried at once.
        case waiting
        case ended
    }

    private struct Attempt {
        let address: SocketAddress
        let begun: Duration
        var end: (error: UVError, lasted: Duration)?
    }

    private let delays: Delays
    private let start: Duration
    private var phase = Phase.resolving
    /// The families that were asked for and not answered yet.
    private var pending: Resolver.Families
    /// The addresses that were not tried yet.
    private var (ipv6, ipv4) = ([SocketAddress](), [SocketAddress]())
    /// Every address that has arrived.
    private var known: Set<SocketAddress> = []
    private var attempts: [Attempt] = []
    private var failedLookups: [ConnectError.FailedLookup] = []
    private var lastError = UVError.noAddress

    /// Creates a choice that begins now, with the questions for addresses under way.
    ///
    /// - Parameters:
    ///   - families: the families that were asked for, together or apart.
    ///   - now: the time on a monotonic clock.
    init(families: Resolver.Families, delays: Delays = Delays(), at now: Duration) {
        self.delays = Delays(resolution: delays.resolution, attempt: max(.milliseconds(10), delays.attempt))
        start = now
        pending = families
    }

    /// Handles an event.
    ///
    /// - Parameter now: the time on the same clock.
    /// - Returns: the actions to do.
    mutating func handle(_ input: Input, at now: Duration) -> [Action] {
        if case .ended = phase { return [] }
        switch input {
        case .answered(let families, let result): return answered(families, result, at: now)
        case .delayPassed: return delayPassed(at: now)
        case .failed(let attempt, let error): return failed(attempt, error, at: now)
        case .connected(let attempt):
            require(running.contains(attempt), "HappyEyeballs: attempt \(attempt) is not under way")
            return end(.win(attempt: attempt, abandoning: running.filter { $0 != attempt }))
        case .gaveUp(let error): return fail(error, at: now)
        }
    }

    // MARK: Inputs

    private mutating func answered(
        _ families: Resolver.Families, _ result: Result<[SocketAddress], UVError>, at now: Duration
    ) -> [Action] {
        require(!families.isEmpty && pending.isSuperset(of: families), "HappyEyeballs: an answer without a question")
        pending.subtract(families)
        switch result {
        case .success(let addresses):
            for address in addresses where known.insert(address).inserted {
                if address.family == .ipv6 { ipv6.append(address) } else { ipv4.append(address) }
            }
        case .failure(let error):
            failedLookups.append(ConnectError.FailedLookup(families: families, error: error))
            if attempts.isEmpty { lastError = error }
        }
        switch phase {
        case .resolving where !ipv6.isEmpty || !pending.contains(.ipv6), .waiting: return next(at: now)
        case .resolving where !ipv4.isEmpty:
            phase = .delaying
            return [.arm(delays.resolution)]
        case .resolving: return []
        // The question for IPv6 addresses was the only one left.
        case .delaying: return next(at: now)
        case .pacing:
            // If this was the last answer and no address is left, the timer has nothing to wait for.
            return hasMore ? [] : next(at: now)
        case .ended: return []
        }
    }

    private mutating func delayPassed(at now: Duration) -> [Action] {
        switch phase {
        case .delaying, .pacing:
            phase = .waiting
            return next(at: now)
        // The timer was stopped when it was about to fire.
        case .resolving, .waiting, .ended: return []
        }
    }

    private mutating func failed(_ attempt: Int, _ error: UVError, at now: Duration) -> [Action] {
        require(running.contains(attempt), "HappyEyeballs: attempt \(attempt) is not under way")
        attempts[attempt].end = (error, now - attempts[attempt].begun)
        lastError = error
        return next(at: now)
    }

    // MARK: Steps

    /// The attempts under way.
    private var running: [Int] { attempts.indices.filter { attempts[$0].end == nil } }

    private var hasAddress: Bool { !ipv6.isEmpty || !ipv4.isEmpty }
    private var hasMore: Bool { hasAddress || pending != [] }

    private var isArmed: Bool {
        switch phase {
        case .delaying, .pacing: true
        case .resolving, .waiting, .ended: false
        }
    }

    /// Removes the address whose turn it is: one of the other family than the last attempt's, if there is any.
    private mutating func nextAddress() -> SocketAddress? {
        let prefersIPv6 = attempts.last.map { $0.address.family != .ipv6 } ?? true
        if !ipv6.isEmpty, prefersIPv6 || ipv4.isEmpty { return ipv6.removeFirst() }
        return ipv4.isEmpty ? nil : ipv4.removeFirst()
    }

    /// Tries the next address if there is one; fails if no attempt or answer is left either.
    private mutating func next(at now: Duration) -> [Action] {
        let wasArmed = isArmed
        guard let address = nextAddress() else {
            guard !running.isEmpty || pending != [] else { return fail(lastError, at: now) }
            phase = .waiting
            return wasArmed ? [.disarm] : []
        }
        attempts.append(Attempt(address: address, begun: now))
        let connect = Action.connect(attempt: attempts.count - 1, address)
        phase = hasMore ? .pacing : .waiting
        if hasMore { return [connect, .arm(delays.attempt)] }
        return wasArmed ? [connect, .disarm] : [connect]
    }

    private mutating func fail(_ error: UVError, at now: Duration) -> [Action] {
        let list = attempts.map { attempt in
            let (cause, lasted) = attempt.end ?? (error, now - attempt.begun)
            return ConnectError.Attempt(
                address: attempt.address, error: cause, begun: attempt.begun - start, lasted: lasted)
        }
        let error = ConnectError(error: error, attempts: list, lookups: failedLookups)
        return end(.fail(error, abandoning: running))
    }

    private mutating func end(_ action: Action) -> [Action] {
        let wasArmed = isArmed
        phase = .ended
        return wasArmed ? [.disarm, action] : [action]
    }
}
