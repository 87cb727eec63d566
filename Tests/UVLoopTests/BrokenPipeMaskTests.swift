import TestSupport
import Testing

/// Each test runs in a process with SIGPIPE's default disposition, which one delivered signal would end.
@Suite("A write that nobody reads") struct BrokenPipeMaskTests {
    @Test(
        "neither kills the process nor leaves a signal pending",
        arguments: [
            "broken-pipe-in-run", "broken-pipe-outside-run", "broken-pipe-at-stop", "broken-pipe-at-close",
            "broken-pipe-of-blocking-host",
        ]) func scenario(name: String) throws
    {
        try expectScenario(name)
    }
}
