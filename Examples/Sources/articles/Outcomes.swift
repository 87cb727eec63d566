import UVKeeper

func outcomes(in directory: String) throws {
    let loop = try Loop()
    var options = KeeperManager.Options()
    options.sessionsDirectory = directory
    let keepers = try KeeperManager(on: loop, options: options)
    let line = #"{"jsonrpc":"2.0","method":"save"}"#
    keepers.session("work").write(line, deadline: .within(.seconds(5))) { outcome in
        switch outcome {
        case .written: print("the child's pipe has it")
        case .sent: print("handed over to a keeper that cannot say more")
        case .refused(let why): print("safe to send again:", why)
        case .unknown(let why): print("must not be sent again:", why)
        }
        keepers.close()
    }
    loop.run()
    try loop.close()
}
