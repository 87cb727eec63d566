/// The failure to connect to a host, with everything that was tried.
public struct ConnectError: Error, Hashable, Sendable {
    /// An attempt to connect to one address.
    public struct Attempt: Hashable, Sendable {
        /// The address.
        public let address: SocketAddress
        /// The failure; for an attempt that was under way at the end, ``ConnectError/error``.
        public let error: UVError
        /// The start of the attempt, counted from the start of the connect.
        public let begun: Duration
        /// The duration of the attempt.
        public let lasted: Duration
    }

    /// A question to a name service that failed.
    public struct FailedLookup: Hashable, Sendable {
        /// The kinds of addresses that were asked for.
        public let families: Resolver.Families
        /// The failure.
        public let error: UVError
    }

    /// The overall error: ``UVError/timedOut`` at the deadline, ``UVError/canceled``, else that of the attempt that
    /// failed last, or of the look-up if no address could be tried.
    public let error: UVError
    /// The attempts, in the order of their starts.
    public let attempts: [Attempt]
    /// The look-ups that failed; there may be some although other addresses were tried.
    public let lookups: [FailedLookup]

    init(error: UVError, attempts: [Attempt], lookups: [FailedLookup]) {
        self.error = error
        self.attempts = attempts
        self.lookups = lookups
    }

    /// Creates the error of a connect that failed before any attempt.
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
