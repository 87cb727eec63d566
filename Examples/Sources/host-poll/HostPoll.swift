import HostedEcho
import Program
import UVLoop

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// A loop driven by `poll(2)`, for a program that has a loop of its own.
@main struct HostPoll {
    static let program = Program(
        """
        usage: host-poll [--host HOST] PORT

        A TCP echo server on a loop that a loop of poll(2) waits for. Says "listening on ADDRESS PORT", and at its end, which
        SIGTERM brings, how many rounds its loop has run: few for each message, none while nothing happens.

        exit status: 0 ended by SIGTERM, 1 it cannot listen, 64 wrong usage
        """)

    static func main() throws {
        let loop = try Loop()
        var isDone = false
        var rounds = 0
        let echo: HostedEcho
        do { echo = try HostedEcho(program, on: loop) } catch { program.fail("cannot listen: \(error)") }
        echo.onEnd = { isDone = true }
        echo.rounds = { rounds }
        func round() {
            rounds += 1
            loop.run(.noWait)
        }
        // The first round registers the loop's descriptors with the system.
        round()
        while !isDone {
            // The host's own descriptors would be added here.
            var entry = pollfd(fd: loop.backendDescriptor, events: Int16(POLLIN), revents: 0)
            let timeout = loop.backendTimeout.map { Int32(clamping: Int64(($0 / .milliseconds(1)).rounded(.up))) } ?? -1
            // An interrupted poll is harmless: the next round handles the events.
            _ = poll(&entry, 1, timeout)
            round()
        }
        loop.run()
        try loop.close()
    }
}
