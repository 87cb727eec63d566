/// Finds the addresses of hosts, and the names of addresses, on threads of its own.
///
/// The name services of systems block, for half a minute if the network is bad. Their calls therefore run on at most
/// `threads` threads of the resolver, never on libuv's pool, where two hung look-ups would stop all file work. A hung
/// look-up occupies its thread until the name service returns; its caller is told at the deadline, and the program can
/// end meanwhile. A thread starts with a look-up and ends when no look-up waits.
///
/// Any number of loops on any threads may share a resolver and its limits; ``shared`` is one for all. Mirrors
/// `uv_getaddrinfo` and `uv_getnameinfo`.
public final class Resolver: Sendable {
    /// The kinds of IP addresses to look for.
    public struct Families: OptionSet, Hashable, Sendable {
        /// The bits.
        public let rawValue: UInt8
        /// Creates a set from its bits.
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

    /// The resolver of the whole process: four threads, 1,024 waiting look-ups, the system's names. The shared resolver
    /// cannot be closed.
    public static let shared = Resolver()

    private let service: NameService
    private let threads: ResolverThreads

    /// Creates a resolver without threads; they start with its look-ups.
    ///
    /// - Parameters:
    ///   - threads: the number of look-ups worked on at a time, hung ones included; at least 1.
    ///   - waiting: the number of further look-ups that may wait for a thread, at least 0.
    ///   - service: the functions that are asked.
    public init(threads: Int = 4, waiting: Int = 1024, service: NameService = .system) {
        self.service = service
        self.threads = ResolverThreads(limit: max(1, threads), waitingLimit: max(0, waiting))
    }

    /// Finds the addresses of a host, and hands them to `completion` on the loop, on a later tick, exactly once. The loop
    /// keeps running until then.
    ///
    /// IP literals, strict as in ``SocketAddress/init(ip:port:)``, are their own answer. `localhost` and every name
    /// that ends in `.localhost` are the loopback addresses, the IPv6 one first (RFC 6761). No thread is needed for
    /// either.
    ///
    /// The completion gets at least one address, each once, in the order that the system prefers, or an error:
    /// ``UVError/unknownName``, ``UVError/noAddress`` and their like; ``UVError/timedOut`` at the deadline;
    /// ``UVError/canceled`` after ``Lookup/cancel()``, and if it takes a thread also after ``close()`` and
    /// ``Loop/closeHandles()``.
    ///
    /// - Parameters:
    ///   - host: at most 253 bytes, not counting a dot at the end.
    ///   - port: 0 to 65535; every address has it.
    ///   - families: one of them or both.
    ///   - deadline: the longest wait from now on; nil waits as long as the name service takes.
    ///   - loop: where `completion` runs.
    ///   - completion: given the addresses, or why there are none; runs once, on a later tick.
    /// - Throws: and does not call `completion`: ``UVError/invalidArgument`` for an empty name, one with a zero byte
    ///   or a malformed literal (`127.1`, `::1::`), for another port and for no family; ``UVError/nameTooLong``;
    ///   ``UVError/noAddressOfFamily`` for a literal of another family; ``UVError/noDevice`` for an unknown scope.
    ///   ``UVError/busy`` if the limit of waiting look-ups is reached; ``UVError/wouldBlock`` if none of the
    ///   resolver's threads runs and none can be made, at a limit of the user's or the container's;
    ///   ``UVError/canceled`` for a closed resolver.
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
    /// An address without a name is no failure: the text of the address stands for it. A name is chosen by the owner of
    /// the address, and proves nothing about the owner.
    ///
    /// - Throws: ``UVError/addressFamilyNotSupported`` for a unix socket; ``UVError/busy``, ``UVError/wouldBlock`` and
    /// ``UVError/canceled`` as for addresses.
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

    /// Ends every look-up of every loop with ``UVError/canceled``, each on a later tick of its loop, and refuses new
    /// ones. A thread that a name service holds up ends when the service returns. Idempotent, on any thread. Optional:
    /// a resolver without look-ups holds nothing.
    public func close() {
        require(self !== Resolver.shared, "Resolver.close: the shared resolver is everybody's")
        threads.close()
    }
}
