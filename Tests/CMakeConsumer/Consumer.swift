import KeeperSidecar
import UVKeeper
import UVLoopAsync

/// Calls each installed module once; its one argument is the version that it expects.
@main
enum Consumer {
    static func main() async throws {
        guard CommandLine.arguments.dropFirst() == [KeeperSidecar.version] else {
            fatalError("KeeperSidecar is \(KeeperSidecar.version), not \(CommandLine.arguments.dropFirst())")
        }
        let loop = try Loop()
        var ticks = 0
        loop.after(.milliseconds(1)) { ticks += 1 }
        loop.run()
        try loop.close()
        guard try ticks == 1 && SessionID("work").description == "work" else { fatalError("\(ticks) ticks") }

        let executor = try LoopExecutor(name: "consumer")
        guard try await executor.run({ _ in 6 * 7 }) == 42 else { fatalError("the executor ran nothing") }
        await executor.shutdown()
        print("libuv \(LibUV.version), UVKeeper \(KeeperSidecar.version)")
    }
}
