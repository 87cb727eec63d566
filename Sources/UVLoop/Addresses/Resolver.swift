/// Finds the addresses of hosts, and the names of addresses, on threads of its own.
///
/// The name services of systems block, for half a minute if the network is bad. They never get libuv's pool, where two hung
/// look-ups would keep file work from going on, but at most as many threads as the resolver may have. A hung look-up occupies
/// such a thread until the name service returns; whoever asked is told at the deadline, and a program can end meanwhile.
/// A thread begins with a look-up and ends when none waits.
///
/// Any number of loops on any threads may share a resolver and its limits; ``shared`` is one for all. Mirrors
/// `uv_getaddrinfo` and `uv_getnameinfo`.
public final class Resolver: Sendable {
    /// The kinds of IP addresses that are asked for.
    public struct Families: OptionSet, Hashable, Sendable {
        /// The bits.
        public let rawValue: UInt8
        /// A set by its bits.
        public init(rawValue: UInt8) { self.rawValue = rawValue }

        /// IPv4, by the A records of DNS.
        public static let ipv4 = Families(rawValue: 1)
        /// IPv6, by the AAAA records of DNS.
        public static let ipv6 = Families(rawValue: 2)
        /// Both.
        public static let all: Families = [.ipv4, .ipv6]

        func contains(_ address: SocketAddress) -> Bool {
            switch address.family {
            case .ipv4: contains(.ipv4)
            case .ipv6: contains(.ipv6)
            case .unix: false
            }
        }
    }

    /// A resolver for the whole process: four threads, 1,024 waiting, the system's names. It cannot be closed.
    public static let shared = Resolver()

    private let service: NameService
    private let threads: ResolverThreads

    /// Creates a resolver; its threads begin with its look-ups.
    ///
    /// - Parameters:
    ///   - threads: how many look-ups are worked on at a time, hung ones included; at least 1.
    ///   - waiting: how many more may wait for a thread, at least 0.
    ///   - service: who is asked.
    public init(threads: Int = 4, waiting: Int = 1024, service: NameService = .system) {
        self.service = service
        self.threads = ResolverThreads(limit: max(1, threads), waitingLimit: max(0, waiting))
    }

    /// Finds the addresses of a host, and hands them to `completion` on the loop, on a later tick, exactly once. The loop
    /// keeps running until then.
    ///
    /// IP literals, strict as ``SocketAddress/init(ip:port:)``, are their own answer, and `localhost` and what ends in
    /// `.localhost` are the loopback addresses, the IPv6 one first (RFC 6761); these take no thread.
    ///
    /// The completion gets at least one address, each once, in the order that the system prefers, or an error:
    /// ``UVError/unknownName``, ``UVError/noAddress`` and their like; ``UVError/timedOut`` at the deadline;
    /// ``UVError/canceled`` after ``Lookup/cancel()``, and if it takes a thread also after ``close()`` and
    /// ``Loop/closeHandles()``.
    ///
    /// - Parameters:
    ///   - host: at most 253 bytes, without a dot at the end.
    ///   - port: 0 to 65535; every address has it.
    ///   - families: one of them or both.
    ///   - deadline: how long to wait from now on; nil waits as long as the name service takes.
    ///   - loop: where `completion` runs.
    ///   - completion: given the addresses, or why there are none; runs once, on a later tick.
    /// - Throws: and does not call `completion`: ``UVError/invalidArgument`` for an empty name, one with a zero byte or a
    ///   malformed literal (`127.1`, `::1::`), for another port and for no family; ``UVError/nameTooLong``;
    ///   ``UVError/noAddressOfFamily`` for a literal of another family; ``UVError/noDevice`` for an unknown scope.
    ///   ``UVError/busy`` when as many wait as may; ``UVError/wouldBlock`` when no thread can be made, at a limit of the
    ///   user's or the container's, and none works; ``UVError/canceled`` for a closed resolver.
    @discardableResult
    public func addresses(
        of host: String,
        port: Int,
        families: Families = .all,
        deadline: Duration? = .seconds(30),
        on loop: Loop,
        completion: @escaping (Result<[SocketAddress], UVError>) -> Void,
    ) throws(UVError) -> Lookup {
        loop.preconditionOnThread()
        let port = try SocketAddress.checkedPort(port)
        guard !families.isDisjoint(with: .all) else { throw .invalidArgument }
        let completion: Lookup.Completion = { outcome in
            completion(
                outcome.map { answer in
                    guard case .addresses(let addresses) = answer else { trap("Resolver: a name for an address") }
                    return addresses
                })
        }
        switch try HostText(host, port: port) {
        case .addresses(let addresses):
            let wanted = addresses.filter { families.contains($0) }
            guard !wanted.isEmpty else { throw .noAddressOfFamily }
            try threads.checkOpen()
            return Lookup(answer: .addresses(wanted), on: loop, completion: completion)
        case .name(let name):
            let service = service
            return try Lookup(
                from: threads, deadline: deadline, on: loop,
                work: { () throws(UVError) in
                    var seen: Set<SocketAddress> = []
                    let addresses = try service.addresses(name, families)
                        .map { $0.with(port: port) }
                        .filter { families.contains($0) && seen.insert($0).inserted }
                    guard !addresses.isEmpty else { throw .noAddress }
                    return .addresses(addresses)
                },
                completion: completion,
            )
        }
    }

    /// Finds the names of an IPv4 or IPv6 address and its port; otherwise as ``addresses(of:port:families:deadline:on:completion:)``.
    ///
    /// What has no name is no failure: the text of its number stands for it. A name is what its owner says, and proves
    /// nothing about who that is.
    ///
    /// - Throws: ``UVError/addressFamilyNotSupported`` for a unix socket; ``UVError/busy``, ``UVError/wouldBlock`` and
    ///   ``UVError/canceled`` as there.
    @discardableResult
    public func name(
        of address: SocketAddress,
        deadline: Duration? = .seconds(30),
        on loop: Loop,
        completion: @escaping (Result<NameService.Name, UVError>) -> Void,
    ) throws(UVError) -> Lookup {
        loop.preconditionOnThread()
        guard address.family != .unix else { throw .addressFamilyNotSupported }
        let service = service
        return try Lookup(
            from: threads, deadline: deadline, on: loop,
            work: { () throws(UVError) in .name(try service.name(address)) },
            completion: { outcome in
                completion(
                    outcome.map { answer in
                        guard case .name(let name) = answer else { trap("Resolver: an address for a name") }
                        return name
                    })
            },
        )
    }

    /// Ends every look-up of every loop with ``UVError/canceled``, each on a later tick of its loop, and refuses new ones.
    /// Threads that a name service holds up end when it returns. Idempotent; may be called on any thread, and need not be:
    /// a resolver without look-ups holds nothing.
    public func close() {
        require(self !== Resolver.shared, "Resolver.close: the shared resolver is everybody's")
        threads.close()
    }
}
