import Program
import UVLoop

/// Prints the addresses of a host in the order in which a connection would try them, or the name of an address.
@main struct Resolve {
    static let program = Program(
        """
        usage: resolve NAME | resolve --reverse ADDRESS

        Prints the addresses of a host, one in a line, in the order that the system prefers; or the name of an address.

        exit status: 0 found, 1 nothing found, or the name service failed, 64 wrong usage
        """)

    static func main() throws {
        let arguments = program.arguments
        let isReverse = arguments.first == "--reverse"
        guard arguments.count == (isReverse ? 2 : 1), let name = arguments.last, !name.isEmpty, !name.hasPrefix("-")
        else { program.wrongUsage() }
        let loop = try Loop()
        let fail = { (error: any Error) in program.fail("\(name): \(error)") }
        do {
            if isReverse {
                try Resolver.shared.name(of: SocketAddress(ip: name, port: 0), on: loop) { result in
                    do { program.write("\(try result.get().host)\n".utf8) } catch { fail(error) }
                }
            } else {
                try Resolver.shared.addresses(of: name, port: 0, on: loop) { result in
                    do {
                        for address in try result.get() { program.write("\(address.host!)\n".utf8) }
                    } catch { fail(error) }
                }
            }
        } catch {
            fail(error)
        }
        loop.run()
        try loop.close()
    }
}
