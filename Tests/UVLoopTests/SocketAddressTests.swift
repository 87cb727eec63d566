import Libc
import TestSupport
import Testing

@testable import UVLoop

@Suite("A socket address") struct SocketAddressTests {
    @Test(
        "is read from text and printed as the same text",
        arguments: [
            "0.0.0.0:0", "127.0.0.1:80", "255.255.255.255:65535", "1.2.3.4:1",
            "[::]:0", "[::1]:80", "[2001:db8::1]:65535", "[fe80::1%7]:80", "[fe80::1%4294967295]:80",
            "[1:2:3:4:5:6:7:8]:9", "[::ffff:1.2.3.4]:80", "[1::8]:1", "[2001:db8:0:1:1:1:1:1]:1",
            "unix:/run/server.sock", "unix:relative", "unix:unix:x", "unix:1.2.3.4:80", "abstract:a name",
            "unix:\u{301}accent", "abstract:\u{301}",
        ]
    )
    func roundTrip(text: String) throws {
        let address = try SocketAddress(text)
        #expect("\(address)" == text)
        #expect(try copied(address) == address)
    }

    @Test(
        "has one text for each of several",
        arguments: [
            ("[0:0:0:0:0:0:0:1]:80", "[::1]:80"), ("[2001:DB8::A]:80", "[2001:db8::a]:80"),
            ("[::ffff:102:304]:80", "[::ffff:1.2.3.4]:80"), ("[fe80::1%0]:80", "[fe80::1]:80"),
            ("[1:0:0:2:0:0:0:3]:1", "[1:0:0:2::3]:1"),
        ]
    )
    func canonical(text: String, canonical: String) throws {
        let address = try SocketAddress(text)
        #expect("\(address)" == canonical)
        #expect(try SocketAddress(canonical) == address)
    }

    @Test(
        "is no other text",
        arguments: [
            "", ":", ":80", "80", "1.2.3.4", "::1", "::1:80", "[::1]", "[::1]80", "[::1]:", "::1]:80", "[::1:80",
            "[1.2.3.4]:80", "[]:80", "[[::1]]:80", "localhost:80", "1.2.3.4:", "1.2.3.4:-1", "1.2.3.4:+1",
            "1.2.3.4:65536",
            "1.2.3.4:080", "1.2.3.4:00", "1.2.3.4:0x50", "1.2.3.4: 80", "1.2.3.4:80 ", "1.2.3.4:٨٠", "1.2.3.4:80\0",
            "127.1:80", "1:80", "010.0.0.1:80", "1.2.3.04:80", "0x7f.0.0.1:80", "1.2.3.256:80", "1.2.3.4.5:80",
            "1.2..4:80",
            " 1.2.3.4:80", "1.2.3.4 :80", "1.2.3.4%1:80", "1.2.3.4\0:80", "[::1\0]:80",
            "[:1]:80", "[1:]:80", "[1:::2]:80", "[::1::2]:80", "[12345::]:80", "[g::]:80", "[1:2:3:4:5:6:7]:80",
            "[1:2:3:4:5:6:7:8:9]:80", "[::1.2.3.4.5]:80", "[::1.2.3]:80", "[::1.2.3.04]:80", "[fe80::1%]:80",
            "[fe80::1%4294967296]:80", "[fe80::1%1%2]:80", "[%1]:80", "unix:", "unix:a\0b", "abstract:",
        ]
    )
    func refused(text: String) {
        let error = #expect(throws: UVError.self) { try SocketAddress(text) }
        // An interface may have any name but a number.
        #expect(error == .invalidArgument || error == .noDevice && text == "[fe80::1%1%2]:80")
    }

    @Test("is made from a literal and a port from 0 to 65535") func literals() throws {
        #expect(try SocketAddress(ip: "::1", port: 80) == SocketAddress("[::1]:80"))
        #expect(try SocketAddress(ip: "10.0.0.1", port: 0) == SocketAddress("10.0.0.1:0"))
        for port in [-1, 65536, .max, .min] {
            #expect(throws: UVError.invalidArgument) { try SocketAddress(ip: "::1", port: port) }
            #expect(throws: UVError.invalidArgument) { try SocketAddress.any(.ipv4, port: port) }
            #expect(throws: UVError.invalidArgument) { try SocketAddress.loopback(.ipv6, port: port) }
            #expect(throws: UVError.invalidArgument) { try SocketAddress("1.2.3.4:1").withPort(port) }
        }
        for text in ["[::1]", "127.1", "", "localhost", "::1 "] {
            #expect(throws: UVError.invalidArgument) { try SocketAddress(ip: text, port: 80) }
        }
        #expect(try SocketAddress("[fe80::1%3]:1").withPort(2) == SocketAddress("[fe80::1%3]:2"))
        #expect(try SocketAddress("unix:a").withPort(2) == SocketAddress("unix:a"))
    }

    @Test("tells its parts") func parts() throws {
        let four = try SocketAddress("192.0.2.1:80")
        #expect(four.family == .ipv4 && four.host == "192.0.2.1" && four.port == 80)
        #expect(four.scope == nil && four.path == nil && four.abstractName == nil)
        let six = try SocketAddress("[fe80::1%99999999]:443")
        #expect(six.family == .ipv6 && six.host == "fe80::1%99999999" && six.port == 443 && six.scope == 99_999_999)
        #expect(try SocketAddress("[::1]:80").scope == nil)
        let path = try SocketAddress("unix:/run/x")
        #expect(path.family == .unix && path.host == nil && path.port == nil && path.path == "/run/x")
        let name = try SocketAddress("abstract:x")
        #expect(name.family == .unix && name.path == nil && name.abstractName == "x")
    }

    @Test("knows this computer and all of it") func special() throws {
        #expect(try SocketAddress.loopback(.ipv4, port: 1) == SocketAddress("127.0.0.1:1"))
        #expect(try SocketAddress.loopback(.ipv6, port: 1) == SocketAddress("[::1]:1"))
        #expect(try SocketAddress.any(.ipv4, port: 1) == SocketAddress("0.0.0.0:1"))
        #expect(try SocketAddress.any(.ipv6, port: 1) == SocketAddress("[::]:1"))
        #expect(throws: UVError.invalidArgument) { try SocketAddress.any(.unix, port: 1) }
        for text in ["127.0.0.1:1", "127.255.0.9:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
            #expect(try SocketAddress(text).isLoopback)
        }
        for text in ["126.0.0.1:1", "0.0.0.0:1", "[::2]:1", "[::127.0.0.1]:1", "[1::ffff:127.0.0.1]:1", "unix:x"] {
            #expect(try !SocketAddress(text).isLoopback)
        }
        #expect(try SocketAddress("[::]:1").isAny && SocketAddress("0.0.0.0:1").isAny)
        #expect(try !SocketAddress("[::1]:1").isAny && !SocketAddress("unix:x").isAny)
    }

    @Test("differs by each of its parts") func equality() throws {
        let texts = [
            "127.0.0.1:80", "127.0.0.1:81", "127.0.0.2:80", "[::ffff:127.0.0.1]:80", "[::1]:80", "[::1]:81", "[::2]:80",
            "[1::1]:80", "[::1%1]:80", "[::1%2]:80", "unix:a", "unix:b", "abstract:a", "abstract:b",
            // The two letters are one text to Swift, but two files.
            "unix:\u{E9}", "unix:e\u{301}",
        ]
        let addresses = try texts.map { try SocketAddress($0) }
        #expect(Set(addresses).count == texts.count)
        #expect(try Set(addresses + texts.map { try SocketAddress($0) }).count == texts.count)
    }

    @Test("has a scope by the name of an interface") func scopes() throws {
        #if os(Linux)
        let name = "lo"
        #else
        let name = "lo0"
        #endif
        let index = if_nametoindex(name)
        try #require(index != 0)
        let address = try SocketAddress("[fe80::1%\(name)]:80")
        #expect(address.scope == index)
        #expect(try address == SocketAddress("[fe80::1%\(index)]:80"))
        #expect("\(address)" == "[fe80::1%\(name)]:80")
        #expect(throws: UVError.noDevice) { try SocketAddress("[fe80::1%no-such-one]:80") }
        #expect(throws: UVError.noDevice) { try SocketAddress(ip: "fe80::1%0123456789abcdefg", port: 80) }
        #expect(throws: UVError.invalidArgument) { try SocketAddress(ip: "fe80::1%lo\0", port: 80) }
    }

    @Test("has the longest path that a socket may have, and not one byte more") func longPaths() throws {
        let longest = String(repeating: "x", count: SocketPath.maximumLength)
        #expect(try copied(SocketAddress(unixPath: longest))?.path == longest)
        #expect(throws: UVError.nameTooLong) { try SocketAddress(unixPath: longest + "x") }
        #expect(try copied(SocketAddress(abstractName: longest))?.abstractName == longest)
        #expect(throws: UVError.nameTooLong) { try SocketAddress(abstractName: longest + "x") }
    }

    @Test("keeps bytes that are no text, and zeros in a name without a file") func bytes() throws {
        let text = RawText.string([0x2F, 0xFF, 0x41] as [UInt8])
        let path = try SocketAddress(unixPath: text)
        #expect(path.path == text)
        #expect(try SocketAddress("\(path)") == path)
        path.withSockaddr { bytes in #expect(bytes.dropFirst(2).elementsEqual([0x2F, 0xFF, 0x41, 0])) }
        let name = try SocketAddress(abstractName: "a\0b\0")
        #expect(try copied(name)?.abstractName == "a\0b\0")
        #expect(try SocketAddress("\(name)") == name)
    }

    @Test("is not read from too few bytes or another family, and is nil without a name") func malformed() throws {
        for text in ["1.2.3.4:80", "[::1]:80"] {
            try SocketAddress(text).withSockaddr { whole throws in
                for count in 1..<whole.count {
                    let part = UnsafeRawBufferPointer(rebasing: whole.prefix(count))
                    #expect(throws: UVError.invalidArgument) { try SocketAddress(sockaddr: part) }
                }
            }
        }
        #expect(try parsed([]) == nil)
        #expect(try parsed(family(AF_UNIX)) == nil)
        #expect(try parsed(family(AF_UNIX) + [0]) == nil)
        // The path has no zero at its end.
        #expect(try parsed(family(AF_UNIX) + [0x61, 0x62])?.path == "ab")
        #expect(try parsed(family(AF_UNIX) + [UInt8](repeating: 0x61, count: 108))?.path?.count == 108)
        #expect(throws: UVError.addressFamilyNotSupported) { try parsed(family(AF_UNSPEC) + [0, 0]) }
        #expect(throws: UVError.addressFamilyNotSupported) { try parsed(family(99) + [UInt8](repeating: 0, count: 30)) }
    }

    @Test("survives every way there and back", arguments: 0..<20) func random(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        for _ in 0..<200 {
            let port = UInt16.random(in: 0...(.max), using: &random)
            // The text's short form depends on groups of zeros.
            let words = (0..<8).map { _ in
                Bool.random(using: &random) ? 0 : UInt64(UInt16.random(in: 0...9, using: &random))
            }
            let high = words[0] << 48 | words[1] << 32 | words[2] << 16 | words[3]
            let low = words[4] << 48 | words[5] << 32 | words[6] << 16 | words[7]
            let scope = Bool.random(using: &random) ? 0 : UInt32.random(in: 1_000_000...(.max), using: &random)
            let addresses = [
                SocketAddress(.ipv4(UInt32.random(in: 0...(.max), using: &random), port: port)),
                SocketAddress(.ipv6(high: high, low: low, scope: scope, port: port)),
            ]
            for address in addresses {
                #expect(try SocketAddress("\(address)") == address)
                #expect(try SocketAddress(ip: address.host!, port: address.port!) == address)
                #expect(try copied(address) == address)
            }
        }
    }

    @Test("is a socket's own and its peer's") func tcp() throws {
        let listener = socket(AF_INET, streamKind, 0)
        defer { close(listener) }
        #expect(try SocketAddress.local(of: listener) == SocketAddress("0.0.0.0:0"))
        #expect(try call(listener, bind, .loopback(.ipv4, port: 0)) == 0)
        let address = try #require(try SocketAddress.local(of: listener))
        #expect(address.host == "127.0.0.1" && address.port != 0)
        #expect(throws: UVError.notConnected) { try SocketAddress.remote(of: listener) }
        try #require(listen(listener, 1) == 0)
        let client = socket(AF_INET, streamKind, 0)
        defer { close(client) }
        #expect(call(client, connect, address) == 0)
        let accepted = accept(listener, nil, nil)
        defer { close(accepted) }
        #expect(try SocketAddress.remote(of: client) == address)
        #expect(try SocketAddress.local(of: accepted) == address)
        #expect(try SocketAddress.remote(of: accepted) == SocketAddress.local(of: client))
    }

    @Test("is that of a unix socket, which has none without a name") func unix() throws {
        try withTemporaryDirectory { directory in
            let (left, right) = socketPair()
            defer { for descriptor in [left, right] { close(descriptor) } }
            #expect(try SocketAddress.local(of: left) == nil && SocketAddress.remote(of: left) == nil)
            let room = SocketPath.maximumLength - directory.utf8.count - 1
            var addresses = [
                try SocketAddress(unixPath: "\(directory)/s"),
                try SocketAddress(unixPath: "\(directory)/\(String(repeating: "x", count: room))"),
            ]
            #if os(Linux)
            addresses.append(try SocketAddress(abstractName: "uvkeeper\0\(directory)"))
            #endif
            for address in addresses {
                let listener = socket(AF_UNIX, streamKind, 0)
                defer { close(listener) }
                try #require(call(listener, bind, address) == 0 && listen(listener, 1) == 0)
                let client = socket(AF_UNIX, streamKind, 0)
                defer { close(client) }
                try #require(call(client, connect, address) == 0)
                #expect(try SocketAddress.local(of: listener) == address)
                #expect(try SocketAddress.remote(of: client) == address)
                #expect(try SocketAddress.local(of: client) == nil)
            }
        }
    }

    @Test("is an error's for what is no socket, or one of another family") func noSocket() throws {
        #expect(throws: UVError.badDescriptor) { try SocketAddress.local(of: -1) }
        var pipes: [Int32] = [-1, -1]
        try #require(pipe(&pipes) == 0)
        defer { for descriptor in pipes { close(descriptor) } }
        #expect(throws: UVError.notSocket) { try SocketAddress.local(of: pipes[0]) }
        #if os(Linux)
        let netlink = socket(AF_NETLINK, Int32(SOCK_RAW.rawValue), 0)
        guard netlink >= 0 else { return }
        defer { close(netlink) }
        #expect(throws: UVError.addressFamilyNotSupported) { try SocketAddress.local(of: netlink) }
        #endif
    }

    // MARK: Helpers

    private let streamKind = Int32(SOCK_STREAM.rawValue)

    private func call(
        _ descriptor: Int32, _ function: (Int32, UnsafePointer<sockaddr>, socklen_t) -> Int32, _ address: SocketAddress
    ) -> Int32 {
        address.withSockaddr { bytes in
            function(descriptor, bytes.baseAddress!.assumingMemoryBound(to: sockaddr.self), socklen_t(bytes.count))
        }
    }

    /// Returns the address read back from the system's form, at an odd place in memory.
    private func copied(_ address: SocketAddress) throws -> SocketAddress? {
        let bytes = address.withSockaddr { [0] + Array($0) }
        return try bytes.withUnsafeBytes {
            try SocketAddress(sockaddr: UnsafeRawBufferPointer(rebasing: $0.dropFirst()))
        }
    }

    private func parsed(_ bytes: [UInt8]) throws -> SocketAddress? {
        try bytes.withUnsafeBytes { try SocketAddress(sockaddr: $0) }
    }

    private func family(_ family: Int32) -> [UInt8] {
        withUnsafeBytes(of: sa_family_t(family)) { Array($0) }
    }
}
