/// A connect to a host by TCP. The host may have several addresses; the first that answers wins, by RFC 8305 ("happy
/// eyeballs").
///
/// IPv6 and IPv4 addresses are looked up at the same time and tried in turns, each 250 ms after the one before, or at
/// once when one has failed; none is given up before one has won. The object keeps itself alive until its completion
/// has run, exactly once.
public final class TCPConnect {
    /// A step on the way, for a log.
    public enum Event: Hashable, Sendable {
        /// A look-up of addresses has ended.
        case lookedUp(Resolver.Families, Result<[SocketAddress], UVError>)
        /// An address is being tried.
        case trying(SocketAddress)
        /// An attempt has failed.
        case failed(SocketAddress, UVError)
        /// A connection is established.
        case connected(SocketAddress)
    }

    private struct Attempt {
        let address: SocketAddress
        var stream: TCPStream?
    }

    private let loop: Loop
    private var machine: HappyEyeballs
    private var attempts: [Int: Attempt] = [:]
    private var lookups: [Lookup] = []
    private let pace: TimerHandle
    private var deadline: TimerHandle?
    private var onEvent: ((Event) -> Void)?
    private var completion: ((Result<TCPStream, ConnectError>) -> Void)?

    /// Begins to connect; `completion` runs once, on a later tick, with an open stream that it owns, or with the error,
    /// which lists every attempt.
    ///
    /// - Parameters:
    ///   - host: a name, `localhost`, or an IP literal; see ``Resolver/addresses(of:port:families:deadline:on:completion:)``.
    ///   - port: 1 to 65535.
    ///   - families: the kinds of addresses to try.
    ///   - resolver: the resolver to ask for the addresses.
    ///   - time: the limit for all of it; past it the connect ends with ``UVError/timedOut``. Nil: as long as the
    ///     system tries, which is minutes.
    ///   - loop: the loop that it lives on.
    ///   - onEvent: called at each step on the way.
    ///   - completion: given the connection, or every attempt that failed; runs once, on a later tick.
    /// - Throws: and does not call `completion`: ``UVError/invalidArgument`` and its like for an invalid host or
    ///   port, as the resolver does.
    @discardableResult
    public init(
        toHost host: String,
        port: Int,
        families: Resolver.Families = .all,
        resolver: Resolver = .shared,
        within time: Duration? = .seconds(60),
        on loop: Loop,
        onEvent: ((Event) -> Void)? = nil,
        completion: @escaping (Result<TCPStream, ConnectError>) -> Void,
    ) throws(UVError) {
        loop.preconditionOnThread()
        guard port != 0 else { throw .invalidArgument }
        // A literal has one answer; a name has one for each family, and the faster one is used without waiting for the
        // other.
        let isName = if case .name = try HostText(host, port: SocketAddress.checkedPort(port)) { true } else { false }
        let questions = isName ? [.ipv6, .ipv4].filter { families.contains($0) } : [families]
        guard !questions.isEmpty else { throw .invalidArgument }
        self.loop = loop
        self.onEvent = onEvent
        self.completion = completion
        machine = HappyEyeballs(families: families, at: SystemClock.monotonicTime)
        pace = TimerHandle(on: loop)
        // The loop may close its handles within a callback of ours, or while a look-up has its answer, which is not a
        // handle of the loop.
        pace.onCanceled = { self.handle(.gaveUp(.canceled)) }
        do throws(UVError) {
            for question in questions { try ask(question, host, port, resolver) }
        } catch {
            end()
            throw error
        }
        guard let time else { return }
        deadline = loop.after(time) { self.handle(.gaveUp(.timedOut)) }
    }

    /// Cancels the connect: the completion runs with ``UVError/canceled`` on a later tick. Does nothing once the
    /// completion has run.
    public func cancel() {
        loop.preconditionOnThread()
        loop.onNextTick { self.handle(.gaveUp(.canceled)) }
    }

    private func ask(
        _ families: Resolver.Families, _ host: String, _ port: Int, _ resolver: Resolver,
    ) throws(UVError) {
        let lookup = try resolver.addresses(
            of: host, port: port, families: families, deadline: nil, on: loop
        ) { result in
            // The loop or the resolver has canceled the look-up, and has ended everything.
            if case .failure(.canceled) = result { return self.handle(.gaveUp(.canceled)) }
            self.onEvent?(.lookedUp(families, result))
            self.handle(.answered(families, result))
        }
        lookups.append(lookup)
    }

    private func handle(_ input: HappyEyeballs.Input) {
        for action in machine.handle(input, at: SystemClock.monotonicTime) {
            switch action {
            case .connect(let number, let address): connect(number, to: address)
            case .arm(let delay): pace.start(after: delay) { _ in self.handle(.delayPassed) }
            case .disarm: pace.stop()
            case .win(let number, _):
                guard let attempt = attempts.removeValue(forKey: number), let stream = attempt.stream else {
                    trap("TCPConnect: the attempt that has won has no stream")
                }
                onEvent?(.connected(attempt.address))
                end()?(.success(stream))
            case .fail(let error, _): end()?(.failure(error))
            }
        }
    }

    private func connect(_ number: Int, to address: SocketAddress) {
        onEvent?(.trying(address))
        attempts[number] = Attempt(address: address)
        do throws(UVError) {
            attempts[number]?.stream = try TCPStream(connectingTo: address, on: loop) { _, error in
                self.connected(number, error)
            }
        } catch {
            // The stream could not be made, for want of memory for instance.
            loop.onNextTick { self.connected(number, error) }
        }
    }

    private func connected(_ number: Int, _ error: UVError?) {
        // An attempt that was removed at the end is closed, and its report ignored.
        guard let attempt = attempts[number] else { return }
        guard let error else { return handle(.connected(attempt: number)) }
        attempts[number] = nil
        // The loop has canceled the attempt, and has closed everything.
        if error == .canceled { return handle(.gaveUp(.canceled)) }
        onEvent?(.failed(attempt.address, error))
        handle(.failed(attempt: number, error))
    }

    /// Ends all attempts and look-ups.
    ///
    /// - Returns: the completion, to be called last.
    @discardableResult
    private func end() -> ((Result<TCPStream, ConnectError>) -> Void)? {
        pace.close()
        deadline?.close()
        let (streams, lookups) = (attempts.values.compactMap(\.stream), lookups)
        attempts = [:]
        self.lookups = []
        for stream in streams { stream.close() }
        for lookup in lookups { lookup.cancel() }
        onEvent = nil
        return completion.take()
    }
}

@available(*, unavailable)
extension TCPConnect: Sendable {}
