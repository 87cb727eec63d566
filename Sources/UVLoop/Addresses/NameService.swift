internal import CLibUV

/// The functions that know the names of hosts, which a ``Resolver`` calls on its threads.
///
/// They may take as long as they like, and are called by several threads at once. For tests, and for name services other
/// than the system's, they are given to ``Resolver/init(threads:waiting:service:)``.
public struct NameService: Sendable {
    /// A host and a service by their names.
    public struct Name: Hashable, Sendable {
        /// The host's name, as ``RawText``; its IP address as text if it has none.
        public var host: String
        /// The name of the port's service, for instance `http`; the number as text if it has none.
        public var service: String

        /// A host and a service.
        public init(host: String, service: String) {
            self.host = host
            self.service = service
        }
    }

    /// The addresses of a host in the order of preference, for TCP, of the families given; their ports are not looked at.
    public var addresses: @Sendable (_ host: String, _ families: Resolver.Families) throws(UVError) -> [SocketAddress]
    /// The name of an IPv4 or IPv6 address.
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

    /// The system's own names: `/etc/hosts`, DNS and others. A name's bytes are passed on as they are; one that is
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
