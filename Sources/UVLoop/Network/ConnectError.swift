/// The failure to connect to a host, with everything that was tried.
public struct ConnectError: Error, Hashable, Sendable {
    /// One address that was tried.
    public struct Attempt: Hashable, Sendable {
        /// The address.
        public let address: SocketAddress
        /// The failure; of one that was under way at the end, ``ConnectError/error``.
        public let error: UVError
        /// The time of its beginning, counted from the beginning of the whole.
        public let begun: Duration
        /// The time that it took.
        public let lasted: Duration
    }

    /// A question to a name service that failed.
    public struct FailedLookup: Hashable, Sendable {
        /// The kinds of addresses that were asked for.
        public let families: Resolver.Families
        /// The failure.
        public let error: UVError
    }

    /// The error in one number: ``UVError/timedOut`` at the deadline, ``UVError/canceled``; else that of the attempt that failed
    /// last, or of the look-up if nothing could be tried.
    public let error: UVError
    /// Every address that was tried, in the order of the beginnings.
    public let attempts: [Attempt]
    /// The look-ups that failed; there may be some although addresses were tried.
    public let lookups: [FailedLookup]

    init(error: UVError, attempts: [Attempt], lookups: [FailedLookup]) {
        self.error = error
        self.attempts = attempts
        self.lookups = lookups
    }

    /// A failure before anything was tried.
    package init(_ error: UVError) { self.init(error: error, attempts: [], lookups: []) }
}

extension ConnectError: CustomStringConvertible {
    /// The error, and then each attempt and failed look-up, for instance
    /// `ECONNREFUSED: connection refused ([::1]:80 after 0 ms for 1 ms: ECONNREFUSED)`.
    public var description: String {
        let attempts = attempts.map { attempt in
            "\(attempt.address) after \(attempt.begun.milliseconds) ms for \(attempt.lasted.milliseconds) ms: "
                + attempt.error.name
        }
        let lookups = lookups.map { lookup in
            let families =
                switch lookup.families {
                case .ipv4: "IPv4"
                case .ipv6: "IPv6"
                default: "the"
                }
            return "look-up of \(families) addresses: \(lookup.error.name)"
        }
        let details = attempts + lookups
        return details.isEmpty ? "\(error)" : "\(error) (\(details.joined(separator: "; ")))"
    }
}
