import UVKeeper

/// Asks one question in a session that keeps its output, and ends the session.
func askMCPServer(in directory: String) throws {
    let loop = try Loop()
    var options = KeeperManager.Options()
    options.sessionsDirectory = directory
    let keepers = try KeeperManager(on: loop, options: options)
    let session = keepers.session("work")

    var lines = LineFramer(maximumLineLength: 1 << 24)
    session.status { status in
        guard case .success(let status) = status, let output = status.output else { return keepers.close() }
        // What the child writes from here on: the answer cannot come before the question.
        session.read(
            [.out], from: .offsets([.out: output.out.end], epoch: status.epoch),
            onBytes: { _, _, bytes in
                _ = lines.appendByLine(bytes) { line in
                    print("answer:", line.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }, terminator: "")
                    session.stop()
                }
            },
            onEvent: { event in
                guard case .ended(let exit) = event else { return }
                print("ended:", exit?.reason.rawValue ?? "nobody knows how")
                keepers.close()
            })
        session.write(#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#) { print("question:", $0) }
    }
    loop.run()
    try loop.close()
}
