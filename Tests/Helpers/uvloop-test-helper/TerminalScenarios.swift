import Libc
import UVLoop

/// Ends in raw mode, in the way that is asked for. Standard input is a terminal.
func terminalEnds(_ arguments: [String]) throws {
    // No core file for a signal that makes one.
    var none = rlimit()
    setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &none)
    let loop = try Loop()
    let terminal = try Terminal(0, on: loop)
    try terminal.setMode(arguments[1] == "binary" ? .binary : .raw)
    switch arguments[0] {
    case "exit": exit(0)
    case "return": return
    case "close":
        terminal.close()
        loop.run()
        _exit(0)
    default:
        raise(CInt(arguments[0])!)
        // Swift's backtracer returns, for the fault to come again. Nothing but the handler has put the terminal back by now.
        _exit(0)
    }
}

/// A handler of the host's own stays; one that was made since is not taken away; at the end all is as it was.
func terminalKeepsHandlers() throws {
    let loop = try Loop()
    let terminal = try Terminal(0, on: loop)
    signal(SIGUSR1, SIG_IGN)
    try terminal.setMode(.raw)
    require(handler(SIGUSR1) == ignoring, "an ignored signal stays ignored")
    require(handler(SIGTERM) != 0, "SIGTERM is watched")
    signal(SIGUSR2, SIG_IGN)
    try terminal.setMode(.original)
    require(handler(SIGTERM) == 0, "SIGTERM has its default again")
    require(handler(SIGUSR2) == ignoring, "what was set since stays")
    terminal.close()
    loop.run()
}

/// `SIG_IGN` as a number.
private let ignoring = 1

private func handler(_ signal: CInt) -> Int {
    var action = sigaction()
    require(sigaction(signal, nil, &action) == 0, "sigaction")
    return unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self)
}
