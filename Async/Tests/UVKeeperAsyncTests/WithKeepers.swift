import TestSupport
import Testing
import UVKeeper
import UVKeeperAsync
import UVLoop

/// Runs `body` with keepers in a directory of their own; at the end every session is stopped.
func withKeepers(
    sourceLocation: SourceLocation = #_sourceLocation, _ body: (Keepers, _ directory: String) async throws -> Void,
) async throws {
    let directory = try makeTemporaryDirectory()
    let keepers = try await Keepers(
        Keepers.Options(sessionsDirectory: directory + "/s", sidecar: [BuiltProducts.sidecar]))
    do {
        try await body(keepers, directory)
    } catch {
        Issue.record(error, sourceLocation: sourceLocation)
    }
    do {
        for status in try await keepers.list() { await keepers.session(status.session).stop(.now) }
    } catch {
        Issue.record(error, sourceLocation: sourceLocation)
    }
    await keepers.close()
    removeTree(directory)
}

/// Waits until a condition holds, and gives others their turn in between.
func until(
    _ what: String, sourceLocation: SourceLocation = #_sourceLocation, _ condition: () async throws -> Bool,
) async throws {
    let deadline = SystemClock.monotonicTime + hangTimeout
    while try await !condition() {
        guard SystemClock.monotonicTime < deadline else {
            Issue.record("it did not come to pass that \(what)", sourceLocation: sourceLocation)
            return
        }
        await Task.yield()
    }
}
