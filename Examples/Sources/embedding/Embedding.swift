import UVKeeper

@main
enum Embedding {
    static func main() throws {
        let loop = try Loop()
        let keepers = try KeeperManager(on: loop)
        func write() {
            keepers.writeRPC(#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#, to: "demo") { outcome in
                print("demo:", outcome)  // .written, .refused(why) or .unknown(why)
                keepers.close()  // the keeper and its child live on
            }
        }
        keepers.discoverExistingKeepers { discovery in
            if case .failure(let error) = discovery { fatalError("\(error)") }
            if keepers.mayBeAlive("demo") { return write() }
            keepers.spawnKeeper(for: "demo", in: "/tmp", command: ["cat"], readiness: .accepting) { start in
                if case .failure(let error) = start { fatalError("\(error)") }
                write()
            }
        }
        loop.run()  // every closure here runs inside it, on this thread, until nothing is left to do
        try loop.close()
    }
}
