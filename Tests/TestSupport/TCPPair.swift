import Libc
import Testing
public import UVLoop

/// The families that a test goes through; IPv6 if this computer has it.
public enum Loopback: CaseIterable, Sendable {
    case ipv4, ipv6

    /// The families that this computer has.
    public static var allCases: [Loopback] { hasIPv6 ? [.ipv4, .ipv6] : [.ipv4] }

    /// True if this computer has `::1`.
    public static let hasIPv6: Bool = {
        let descriptor = socket(AF_INET6, CInt(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0, let address = try? SocketAddress.loopback(.ipv6, port: 0) else { return false }
        defer { close(descriptor) }
        return address.withSockaddr { bytes in
            bind(descriptor, bytes.baseAddress!.assumingMemoryBound(to: sockaddr.self), socklen_t(bytes.count)) == 0
        }
    }()

    /// The loopback address, with a port that the system chooses.
    public var address: SocketAddress {
        get throws(UVError) { try .loopback(self == .ipv4 ? .ipv4 : .ipv6, port: 0) }
    }
}

/// Two streams connected to each other over TCP.
public func makeTCPPair(
    on loop: Loop, _ address: Loopback = .ipv4,
) throws -> (client: TCPStream, server: TCPStream) {
    var accepted: TCPStream?
    var connected: TCPStream?
    var failure: (any Error)?
    let listener = try TCPListener(bindingTo: address.address, on: loop)
    try listener.listen { listener, result in
        do { accepted = try result.get() } catch { failure = error }
        listener.close()
    }
    _ = try TCPStream(connectingTo: listener.localAddress, on: loop) { stream, error in
        connected = stream
        failure = error ?? failure
    }
    try run(loop) { accepted != nil && connected != nil || failure != nil }
    if let failure { throw failure }
    return (connected!, accepted!)
}
