import TestSupport
import Testing

@testable import UVLoop

@Suite("A resolver") struct ResolverTests {
    /// The results of completions, in order.
    private final class Log {
        var outcomes: [String] = []

        func addresses(_ outcome: Result<[SocketAddress], UVError>) { add(outcome.map { "\($0)" }) }
        func name(_ outcome: Result<NameService.Name, UVError>) { add(outcome.map { "\($0.host) \($0.service)" }) }

        private func add(_ outcome: Result<String, UVError>) {
            switch outcome {
            case .success(let text): outcomes.append(text)
            case .failure(let error): outcomes.append(error.name)
            }
        }
    }

    // MARK: Without a thread

    @Test("answers literals and localhost itself, on a later tick")
    func literals() throws {
        try withLoop { loop in
            let (names, log) = (FakeNames(), Log())
            let resolver = Resolver(service: names.service)
            let hosts = [
                ("127.0.0.1", "[127.0.0.1:80]"), ("::1", "[[::1]:80]"), ("fe80::1%77777", "[[fe80::1%77777]:80]"),
                ("localhost", "[[::1]:80, 127.0.0.1:80]"), ("LocalHost.", "[[::1]:80, 127.0.0.1:80]"),
                ("a.b.localhost", "[[::1]:80, 127.0.0.1:80]"),
            ]
            for (host, _) in hosts { try resolver.addresses(of: host, port: 80, on: loop, completion: log.addresses) }
            #expect(log.outcomes.isEmpty && loop.isAlive)
            loop.run()
            #expect(log.outcomes == hosts.map(\.1))
            #expect(names.asked.isEmpty)
        }
    }

    @Test("gives the families that are asked for") func families() throws {
        try withLoop { loop in
            let both: [SocketAddress] = [.loopback6(port: 1), .loopback4(port: 1)]
            let names = FakeNames(isOpen: true) { _ in .success(both) }
            let (resolver, log) = (Resolver(service: names.service), Log())
            for host in ["localhost", "example"] {
                for families in [Resolver.Families.ipv4, .ipv6] {
                    try resolver.addresses(of: host, port: 8, families: families, on: loop, completion: log.addresses)
                    loop.run()
                }
            }
            #expect(log.outcomes == ["[127.0.0.1:8]", "[[::1]:8]", "[127.0.0.1:8]", "[[::1]:8]"])
            for (host, family) in [("::1", Resolver.Families.ipv4), ("127.0.0.1", .ipv6)] {
                #expect(throws: UVError.noAddressOfFamily) {
                    try resolver.addresses(of: host, port: 8, families: family, on: loop, completion: log.addresses)
                }
            }
            #expect(throws: UVError.invalidArgument) {
                try resolver.addresses(of: "example", port: 8, families: [], on: loop, completion: log.addresses)
            }
        }
    }

    @Test(
        "refuses at once what is no name",
        arguments: [
            ("", UVError.invalidArgument), (".", .invalidArgument), ("a\0b", .invalidArgument),
            ("127.1", .invalidArgument),
            ("1", .invalidArgument), ("0x7f.1", .invalidArgument), ("010.0.0.1", .invalidArgument),
            ("a.1", .invalidArgument),
            ("127.0.0.1.", .invalidArgument), ("0x", .invalidArgument), ("1.2.3.0XaF", .invalidArgument),
            ("example:80", .invalidArgument), ("[::1]", .invalidArgument), ("::1::", .invalidArgument),
            ("fe80::1%no-such-one", .noDevice),
            (String(repeating: "a.", count: 126) + "ab", .nameTooLong),
            (String(repeating: "é", count: 127), .nameTooLong),
        ]
    )
    func refused(host: String, error: UVError) throws {
        try withLoop { loop in
            let (names, log) = (FakeNames(), Log())
            let resolver = Resolver(service: names.service)
            #expect(throws: error) { try resolver.addresses(of: host, port: 80, on: loop, completion: log.addresses) }
            #expect(!loop.isAlive)
            loop.run()
            #expect(log.outcomes.isEmpty && names.asked.isEmpty)
        }
    }

    @Test(
        "asks for what may be a name",
        arguments: [
            "a", "example.", "1a", "a.1b", "0y1", "x0x1", "1.example", "local-host", "localhost.example",
            "notlocalhost", "é",
            String(repeating: "a.", count: 126) + "a", String(repeating: "a.", count: 126) + "a.",
        ]
    )
    func asks(host: String) throws {
        #expect(try HostText(host, port: 80) == .name(host))
    }

    @Test("refuses a port beyond 65535") func ports() throws {
        try withLoop { loop in
            for port in [-1, 65536] {
                #expect(throws: UVError.invalidArgument) {
                    try Resolver().addresses(of: "localhost", port: port, on: loop) { _ in }
                }
            }
        }
    }

    // MARK: Answers

    @Test("hands over each address once, with the port, on the loop's thread, which it keeps running") func answers()
        throws
    {
        try withLoop { loop in
            let names = FakeNames { host in
                host == "none"
                    ? .success([]) : .success([.loopback4(port: 1), .loopback6(port: 1), .loopback4(port: 2)])
            }
            let (resolver, log) = (Resolver(service: names.service), Log())
            try resolver.addresses(of: "host", port: 80, on: loop, completion: log.addresses)
            loop.run(.noWait)
            #expect(log.outcomes.isEmpty && loop.isAlive)
            names.answer(1)
            loop.run()
            #expect(log.outcomes == ["[127.0.0.1:80, [::1]:80]"])
            names.open()
            try resolver.addresses(of: "none", port: 80, on: loop, completion: log.addresses)
            loop.run()
            #expect(log.outcomes.last == "EAI_NODATA")
            #expect(names.asked == ["host", "none"])
        }
    }

    @Test("hands over the name service's error") func errors() throws {
        try withLoop { loop in
            let errors: [UVError] = [.unknownName, .lookupTemporarilyFailed, .lookupFailed, .outOfMemory]
            let names = FakeNames(isOpen: true) { .failure(errors[Int($0.dropFirst())!]) }
            let (resolver, log) = (Resolver(threads: 1, service: names.service), Log())
            for index in errors.indices {
                try resolver.addresses(of: "h\(index)", port: 80, on: loop, completion: log.addresses)
            }
            loop.run()
            #expect(log.outcomes == ["EAI_NONAME", "EAI_AGAIN", "EAI_FAIL", "ENOMEM"])
        }
    }

    @Test("finds names of addresses, and not of unix sockets") func names() throws {
        try withLoop { loop in
            let (names, log) = (FakeNames(isOpen: true), Log())
            let resolver = Resolver(service: names.service)
            try resolver.name(of: .loopback6(port: 7), on: loop, completion: log.name)
            #expect(log.outcomes.isEmpty)
            loop.run()
            #expect(log.outcomes == ["host.example echo"] && names.asked == ["[::1]:7"])
            #expect(throws: UVError.addressFamilyNotSupported) {
                try resolver.name(of: SocketAddress("unix:x"), on: loop, completion: log.name)
            }
        }
    }

    @Test("asks the system, which knows this computer by itself") func system() throws {
        #expect(try NameService.system.addresses("localhost", .ipv4).contains { $0.host == "127.0.0.1" })
        #expect(try NameService.system.addresses("127.0.0.1", .all) == [.loopback4(port: 0)])
        #expect(throws: UVError.noAddressOfFamily) { try NameService.system.addresses("127.0.0.1", .ipv6) }
        #expect(throws: UVError.invalidArgument) { try NameService.system.addresses("a\0b", .all) }
        let name = try NameService.system.name(.loopback4(port: 7))
        #expect(!name.host.isEmpty && ["echo", "7"].contains(name.service))
        try withLoop { loop in
            let log = Log()
            try Resolver.shared.name(of: .loopback4(port: 7), on: loop, completion: log.name)
            loop.run()
            #expect(log.outcomes == ["\(name.host) \(name.service)"])
        }
    }

    @Test("may be asked again by a completion") func nested() throws {
        try withLoop { loop in
            let log = Log()
            let resolver = Resolver(threads: 1, waiting: 0, service: FakeNames(isOpen: true).service)
            func ask(_ depth: Int) {
                expectNoError { () throws(UVError) in
                    // No look-up may wait: the thread was free again before the completion ran.
                    try resolver.addresses(of: depth == 1 ? "localhost" : "host", port: 80, on: loop) { outcome in
                        log.addresses(outcome)
                        if depth < 3 { ask(depth + 1) }
                    }
                }
            }
            ask(0)
            loop.run()
            #expect(log.outcomes.count == 4)
        }
    }
}
