internal import CLibUV

extension UDPSocket {
    /// Allows or forbids messages to the broadcast address of a network. Mirrors `uv_udp_set_broadcast`.
    public func setBroadcast(_ isOn: Bool) throws(UVError) {
        guard isUsable("UDPSocket.setBroadcast: the socket is closed") else { throw .canceled }
        try check(uv_udp_set_broadcast(raw.udp, isOn ? 1 : 0))
    }

    /// Sets the number of routers that a message may pass, 1 to 255. Mirrors `uv_udp_set_ttl`.
    public func setTTL(_ count: Int) throws(UVError) {
        guard isUsable("UDPSocket.setTTL: the socket is closed") else { throw .canceled }
        guard (1...255).contains(count) else { throw .invalidArgument }
        try check(uv_udp_set_ttl(raw.udp, CInt(count)))
    }

    // MARK: Multicast

    /// Receives the messages to a multicast group too. Mirrors `uv_udp_set_membership`.
    ///
    /// - Parameters:
    ///   - group: an address of the socket's family; its port is ignored.
    ///   - interface: for IPv4 the address of a network interface of this computer, for IPv6 an address with its scope;
    ///     nil: the system chooses.
    /// - Throws: ``UVError/invalidArgument`` if the address is no group, ``UVError/noDevice`` if no interface leads
    /// there, ``UVError/addressInUse`` for a group that was joined before.
    public func join(_ group: SocketAddress, interface: SocketAddress? = nil) throws(UVError) {
        try setMembership(group, interface, UV_JOIN_GROUP)
    }

    /// Stops receiving the messages to a multicast group.
    ///
    /// - Throws: ``UVError/addressNotAvailable`` for a group that was not joined, or was joined by another interface.
    public func leave(_ group: SocketAddress, interface: SocketAddress? = nil) throws(UVError) {
        try setMembership(group, interface, UV_LEAVE_GROUP)
    }

    private func setMembership(
        _ group: SocketAddress, _ interface: SocketAddress?, _ membership: uv_membership,
    ) throws(UVError) {
        guard isUsable("UDPSocket.join: the socket is closed") else { throw .canceled }
        guard let name = group.host else { throw .invalidArgument }
        let status = try RawText.withCString(name) { (name) in
            withInterface(interface) { uv_udp_set_membership(raw.udp, name, $0, membership) }
        }
        try check(status)
    }

    /// Sets the network interface for messages to multicast groups; nil: the system chooses. Mirrors
    /// `uv_udp_set_multicast_interface`.
    ///
    /// - Parameter interface: as for ``join(_:interface:)``.
    public func setMulticastInterface(_ interface: SocketAddress?) throws(UVError) {
        guard isUsable("UDPSocket.setMulticastInterface: the socket is closed") else { throw .canceled }
        guard interface == nil || interface?.host != nil else { throw .invalidArgument }
        try check(withInterface(interface) { uv_udp_set_multicast_interface(raw.udp, $0) })
    }

    /// Calls `body` with the text of the interface's address, from which libuv reads the interface.
    private func withInterface(_ interface: SocketAddress?, _ body: (UnsafePointer<CChar>?) -> CInt) -> CInt {
        guard let host = interface?.host else { return body(nil) }
        return host.withCString { body($0) }
    }

    /// Lets messages to a group that this computer has joined arrive here too if `isOn`; true at first. Mirrors
    /// `uv_udp_set_multicast_loop`.
    public func setMulticastLoop(_ isOn: Bool) throws(UVError) {
        guard isUsable("UDPSocket.setMulticastLoop: the socket is closed") else { throw .canceled }
        try check(uv_udp_set_multicast_loop(raw.udp, isOn ? 1 : 0))
    }

    /// Sets the number of routers that a message to a group may pass, 1 to 255; 1 at first, which keeps it in the
    /// network. Mirrors `uv_udp_set_multicast_ttl`.
    public func setMulticastTTL(_ count: Int) throws(UVError) {
        guard isUsable("UDPSocket.setMulticastTTL: the socket is closed") else { throw .canceled }
        guard (1...255).contains(count) else { throw .invalidArgument }
        try check(uv_udp_set_multicast_ttl(raw.udp, CInt(count)))
    }
}
