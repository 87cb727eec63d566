import UVKeeper

/// Requests an early end of a run, in order: on an interrupt, SIGTERM, or a closed terminal.
///
/// The handles do not keep the loop alive.
final class StopSignals {
    private static let all = [Signal.interrupt, .terminate, .hangUp]
    private var handles: [SignalHandle] = []
    private var received: Signal?

    /// - Parameter heeded: the signals that end the run; the others of the three are ignored.
    init(on loop: Loop, heeding heeded: [Signal] = StopSignals.all) throws(UVError) {
        for signal in StopSignals.all {
            let handle = try SignalHandle(on: loop)
            handles.append(handle)
            try handle.start(signal) { [unowned self] _, signal in
                if received == nil, heeded.contains(signal) { received = signal }
            }
            handle.unref()
        }
    }

    /// Returns the reason to end the run now, a signal or want of room; nil if it may go on.
    func reasonToEnd(_ run: RunDirectory) -> String? {
        received.map { "ended early by \($0)" } ?? run.shortage.map { "ended early: \($0)" }
    }

    func close() { for handle in handles { handle.close() } }
}
