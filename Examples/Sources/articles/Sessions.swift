import UVKeeper
import UVKeeperAsync

func sessions(in directory: String) async throws {
    let keepers = try await Keepers(.init(sessionsDirectory: directory))
    let session = try await keepers.open("echo", ["cat"], in: "/tmp", labels: ["user": "ann"])

    let question = #"{"jsonrpc":"2.0","id":1,"result":"cat says what it is told"}"#
    let outcome = await session.write(question, deadline: .within(.seconds(5)))
    print("line:", outcome)

    for try await line in session.lines(from: .start) {
        print("\(line.offset):", line)
        break  // ends the read, not the session
    }

    let stopped = await session.stop()
    print("ended:", stopped.exit?.reason.rawValue ?? "nobody knows how")
    await keepers.close()
}
