import KeeperSidecar
import UVKeeper

@main
enum OneBinary {
    static func main() throws {
        KeeperSidecar.runIfRequested()  // first: a copy of this program that is to be a keeper becomes one here

        let loop = try Loop()
        var options = KeeperManager.Options()
        options.sidecar = try .currentExecutable()
        options.sessionsDirectory = CommandLine.arguments.dropFirst().first
        let keepers = try KeeperManager(on: loop, options: options)
        keepers.open("demo", in: "/tmp", .init(command: ["cat"])) { session in
            print((try? session.get()).map { "keeper \($0.keeperPID ?? 0)" } ?? "\(session)")
            keepers.close()
        }
        loop.run()
        try loop.close()
    }
}
