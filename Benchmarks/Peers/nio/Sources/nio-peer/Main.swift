import Glibc
import NIOCore
import NIOPosix

/// usage: nio-peer connect COUNT SOCKET IN_FLIGHT; prints one line of JSON.
///        nio-peer keeper SOCKET COMMAND...
///        nio-peer serve KIND
///
/// The peer has one event loop on one thread, like every other peer.
@main
enum Main {
    static func main() throws {
        let arguments = CommandLine.arguments
        if arguments.count >= 4, arguments[1] == "keeper" {
            return try Keeper.run(socketPath: arguments[2], command: Array(arguments[3...]))
        }
        if arguments.count >= 3, arguments[1] == "serve" { return try Servers.run(arguments[2]) }
        guard arguments.count >= 5, arguments[1] == "connect", let count = Int(arguments[2]),
            let inFlight = Int(arguments[4])
        else {
            print("usage: nio-peer connect COUNT SOCKET IN_FLIGHT | keeper SOCKET COMMAND... | serve KIND")
            exit(64)
        }
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let loop = group.next()
        try Client.writeLines(500, to: arguments[3], inFlight: inFlight, on: loop).wait()
        let begin = NIODeadline.now()
        try Client.writeLines(count, to: arguments[3], inFlight: inFlight, on: loop).wait()
        let time = (NIODeadline.now() - begin).nanoseconds
        print(#"{"name":"connect","count":\#(count),"ns_per_op":\#(Double(time) / Double(count))}"#)
        try group.syncShutdownGracefully()
    }
}
