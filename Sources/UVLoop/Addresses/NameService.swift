internal import CLibUV

/// The functions that look up hosts, called by a ``Resolver`` on its threads.
///
/// The functions may block, and several threads call them at once. Tests, and name services other than the system's,
/// pass theirs to ``Resolver/init(threads:waiting:service:)``.
public struct NameService: Sendable {
    /// The names of a host and of a service.
    public struct Name: Hashable, Sendable {
        /// The host's name, as ``RawText``; the IP address as text if the host has no name.
        public var host: String
        /// The name of the port's service, for instance `http`; the number as text if the port has no name.
        public var service: String

        /// A host and a service.
        public init(host: String, service: String) {
            self.host = host
            self.service = service
        }
    }

    /// Returns the addresses of a host for TCP, of the given families, in the order of preference; their ports are
    /// ignored.
    public var addresses: @Sendable (_ host: String, _ families: Resolver.Families) throws(UVError) -> [SocketAddress]
    /// Returns the name of an IPv4 or IPv6 address.
    public var name: @Sendable (SocketAddress) throws(UVError) -> Name

    /// A service that consists of two functions.
    public init(
        addresses:
            @escaping @Sendable (_ host: String, _ families: Resolver.Families) throws(UVError) -> [SocketAddress],
        name: @escaping @Sendable (SocketAddress) throws(UVError) -> Name,
    ) {
        self.addresses = addresses
        self.name = name
    }

    /// The system's own names: `/etc/hosts`, DNS and others. A name's bytes are passed on as they are; a name that is
    /// not ASCII needs its ASCII form for DNS. Mirrors `getaddrinfo` and `getnameinfo`, without flags.
    public static let system = NameService(
        addresses: { host, families throws(UVError) in
            let family =
                switch families {
                case .ipv4: AF_INET
                case .ipv6: AF_INET6
                default: AF_UNSPEC
                }
            var first: UnsafeMutablePointer<addrinfo>?
            try check(RawText.withCString(host) { uvloop_getaddrinfo($0, family, &first) })
            defer { freeaddrinfo(first) }
            var addresses: [SocketAddress] = []
            var next = first
            while let info = next?.pointee {
                let bytes = UnsafeRawBufferPointer(start: info.ai_addr, count: Int(info.ai_addrlen))
                if let address = try SocketAddress(sockaddr: bytes) { addresses.append(address) }
                next = info.ai_next
            }
            return addresses
        },
        name: { address throws(UVError) in
            var host = [CChar](repeating: 0, count: Int(NI_MAXHOST))
            var service = [CChar](repeating: 0, count: Int(NI_MAXSERV))
            try check(
                address.withSockaddr {
                    uvloop_getnameinfo($0, $1, &host, socklen_t(host.count), &service, socklen_t(service.count))
                })
            return Name(host: RawText.string(host), service: RawText.string(service))
        },
    )
}
