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
