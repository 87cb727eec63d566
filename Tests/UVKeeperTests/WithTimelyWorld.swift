import Synchronization
import Testing
import UVKeeper

/// Runs `body` as ``withWorld`` does, for lines to a listener on the test's own loop.
///
/// An attempt to write a line has 350 ms. If this process has no turn for so long, the attempt is over before the listener
/// has been asked, and its line is refused or unknown. A case that fails after such a pause is tried again. One that fails
/// without, or every time, fails.
func withTimelyWorld(
    sourceLocation: SourceLocation = #_sourceLocation,
    options configure: (inout KeeperManager.Options) -> Void = { _ in },
    _ body: (World) throws -> Void
) throws {
    for round in 1...20 {
        let found = Found()
        var longestPause = Duration.zero
        try withKnownIssue("judged below", isIntermittent: true, sourceLocation: sourceLocation) {
            try withWorld(sourceLocation: sourceLocation, options: configure) { world throws in
                defer { longestPause = world.longestPause }
                try body(world)
            }
        } matching: { issue in
            found.issues.withLock { $0.append("\(issue)") }
            return true
        }
        let issues = found.issues.withLock { $0 }
        if issues.isEmpty { return }
        if longestPause > .milliseconds(100), round < 20 { continue }
        for issue in issues { Issue.record("\(issue)", sourceLocation: sourceLocation) }
        return
    }
}

private final class Found: Sendable {
    let issues = Mutex<[String]>([])
}
