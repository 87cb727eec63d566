public import Testing
public import UVLoop

/// The longest wait of a test for an expected event: only a hang takes so long, however busy the machine is.
public let hangTimeout = Duration.seconds(120)

/// Runs `body` with a new loop, then the loop until it is done, and requires that no handle is left open.
///
/// A watchdog ends a loop that hangs: the test then fails with the list of open handles, instead of never ending.
public func withLoop(
    timeout: Duration = hangTimeout * 2,
    sourceLocation: SourceLocation = #_sourceLocation,
    _ body: (Loop) throws -> Void,
) throws {
    let loop = try Loop()
    let watchdog = TimerHandle(on: loop)
    watchdog.unref()
    var expired = false
    watchdog.start(after: timeout) { _ in
        expired = true
        let open = loop.openHandles.map { "\(type(of: $0))" }
        Issue.record("the loop did not end within \(timeout); open: \(open)", sourceLocation: sourceLocation)
        loop.closeHandles()
        loop.stop()
    }
    do {
        try body(loop)
        while loop.run() && !expired {}
    } catch {
        Issue.record(error, sourceLocation: sourceLocation)
        loop.closeHandles()
        loop.run()
    }
    let leaked = loop.openHandles.filter { $0 !== watchdog && !$0.isClosing }.map { "\(type(of: $0))" }
    #expect(leaked.isEmpty, "every handle is closed", sourceLocation: sourceLocation)
    loop.closeHandles()
    while loop.run() {}
    #expect(throws: Never.self, sourceLocation: sourceLocation) { try loop.close() }
}
