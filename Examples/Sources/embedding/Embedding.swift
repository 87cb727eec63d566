import UVKeeper

@main
enum Embedding {
    static func main() throws {
        let loop = try Loop()
        let keepers = try KeeperManager(on: loop)
        // Adopts the session if a run before this one has started it, else starts it.
        keepers.open("demo", in: "/tmp", .init(command: ["cat"])) { session in
            if case .failure(let error) = session { fatalError("\(error)") }
            keepers.writeRPC(#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#, to: "demo") { outcome in
                print("demo:", outcome)  // .written, .refused(why) or .unknown(why)
                keepers.close()  // the keeper and its child live on
            }
        }
        loop.run()  // every closure here runs inside it, on this thread, until nothing is left to do
        try loop.close()
    }
}
