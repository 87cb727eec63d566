import Program

/// Runs the code that the articles of the documentation show.
@main enum Articles {
    static let program = Program(
        """
        usage: articles NAME [SESSIONS_DIRECTORY]

        Runs one piece of the documentation's code. NAME is one of

          timer closing threads flow-control              of UVLoop
          adopt-or-start outcomes mcp                     of UVKeeper, with a SESSIONS_DIRECTORY
          echo cancellation                               of UVLoopAsync
          sessions                                        of UVKeeperAsync, with a SESSIONS_DIRECTORY

        exit status: 0 it went well, 1 it did not, 64 wrong usage
        """)

    static func main() async throws {
        let words = program.arguments
        switch (words.first, words.count) {
        case ("timer", 1): try ticks()
        case ("closing", 1): try closing()
        case ("threads", 1): try threads()
        case ("flow-control", 1): try flowControl()
        case ("adopt-or-start", 2): try adoptOrStart(in: words[1])
        case ("outcomes", 2): try outcomes(in: words[1])
        case ("mcp", 2): try askMCPServer(in: words[1])
        case ("echo", 1): try await echo()
        case ("cancellation", 1): try await cancellation()
        case ("sessions", 2): try await sessions(in: words[1])
        default: program.wrongUsage()
        }
    }
}
