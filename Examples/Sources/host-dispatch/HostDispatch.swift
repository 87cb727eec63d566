import Dispatch
import HostedEcho
import Program
import UVLoop
import UVLoopDispatch

/// A loop driven by Dispatch's main queue, for a program that ends in `dispatchMain()`.
@main @MainActor final class HostDispatch {
    nonisolated static let program = Program(
        """
        usage: host-dispatch [--host HOST] PORT

        A TCP echo server on a loop that Dispatch's main queue waits for. Says "listening on ADDRESS PORT", and at its end,
        which SIGTERM brings, how many rounds its loop has run: few for each message, none while nothing happens.

        exit status: 0 ended by SIGTERM, 1 it cannot listen, 64 wrong usage
        """)

    private let loop: Loop
    private let echo: HostedEcho
    private let driver: LoopDriver

    static func main() throws {
        let host: HostDispatch
        do { host = try HostDispatch() } catch { program.fail("cannot listen: \(error)") }
        try host.driver.start()
        dispatchMain()
    }

    private init() throws {
        loop = try Loop()
        echo = try HostedEcho(HostDispatch.program, on: loop)
        driver = LoopDriver(loop, on: .queue(.main))
        echo.rounds = { [driver] in driver.rounds }
        // The end must not come within a round.
        echo.onEnd = { [unowned self] in DispatchQueue.main.async { MainActor.assumeIsolated { self.end() } } }
    }

    private func end() {
        driver.stop()
        loop.run()
        do { try loop.close() } catch { HostDispatch.program.fail("\(error)") }
        CurrentProcess.exit(0)
    }
}
