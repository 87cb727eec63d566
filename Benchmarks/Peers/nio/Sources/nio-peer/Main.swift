import Glibc
import NIOCore
import NIOPosix

/// usage: nio-peer connect COUNT SOCKET IN_FLIGHT; prints one line of JSON.
///        nio-peer keeper SOCKET COMMAND...
///        nio-peer serve KIND
///        nio-peer async-echo | async-echo-loop | async-hop | async-run COUNT; prints one line of JSON.
///
/// The peer has one event loop on one thread, like every other peer.
@main
enum Main {
    static func main() async throws {
        let arguments = CommandLine.arguments
        if arguments.count >= 4, arguments[1] == "keeper" {
            return try Keeper.run(socketPath: arguments[2], command: Array(arguments[3...]))
        }
        if arguments.count >= 3, arguments[1] == "serve" { return try Servers.run(arguments[2]) }
        if arguments.count >= 3, arguments[1].hasPrefix("async-"), let count = Int(arguments[2]) {
            return try await AsyncPeers.run(arguments[1], count)
        }
        guard arguments.count >= 5, arguments[1] == "connect", let count = Int(arguments[2]),
            let inFlight = Int(arguments[4])
        else {
            print("usage: nio-peer connect COUNT SOCKET IN_FLIGHT | keeper SOCKET COMMAND... | serve KIND | async-… COUNT")
            exit(64)
        }
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let loop = group.next()
        try await Client.writeLines(500, to: arguments[3], inFlight: inFlight, on: loop).get()
        let begin = NIODeadline.now()
        try await Client.writeLines(count, to: arguments[3], inFlight: inFlight, on: loop).get()
        let time = (NIODeadline.now() - begin).nanoseconds
        print(#"{"name":"connect","count":\#(count),"ns_per_op":\#(Double(time) / Double(count))}"#)
        try await group.shutdownGracefully()
    }
}
