import Dispatch
import HostedEcho
import Program
import UVLoop

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
    private let events: any DispatchSourceRead
    private let timer = DispatchSource.makeTimerSource(queue: .main)

    static func main() throws {
        let host: HostDispatch
        do { host = try HostDispatch() } catch { program.fail("cannot listen: \(error)") }
        host.start()
        dispatchMain()
    }

    private init() throws {
        loop = try Loop()
        echo = try HostedEcho(HostDispatch.program, on: loop)
        events = DispatchSource.makeReadSource(fileDescriptor: loop.backendDescriptor, queue: .main)
    }

    private func start() {
        echo.onEnd = { [unowned self] in
            // The end must not come within a round.
            DispatchQueue.main.async { MainActor.assumeIsolated { self.end() } }
        }
        // Timers and the like may be started outside of a round.
        loop.onBackendChange = { DispatchQueue.main.async { MainActor.assumeIsolated { self.round() } } }
        for source in [events, timer] as [any DispatchSourceProtocol] {
            source.setEventHandler { MainActor.assumeIsolated { self.round() } }
            source.activate()
        }
        round()
    }

    private func round() {
        guard !loop.isClosed else { return }
        // The queue may have changed its thread.
        loop.takeOver()
        echo.round()
        guard let timeout = loop.backendTimeout else { return timer.schedule(deadline: .distantFuture) }
        timer.schedule(deadline: .now() + .milliseconds(Int((timeout / .milliseconds(1)).rounded(.up))))
    }

    private func end() {
        for source in [events, timer] as [any DispatchSourceProtocol] { source.cancel() }
        loop.onBackendChange = nil
        loop.run()
        do { try loop.close() } catch { HostDispatch.program.fail("\(error)") }
        CurrentProcess.exit(0)
    }
}
