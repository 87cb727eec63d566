import UVKeeper

/// What asks a run to end early and in order: an interrupt, SIGTERM, a terminal that closes.
///
/// They do not keep the loop alive.
final class StopSignals {
    private var handles: [SignalHandle] = []

    init(on loop: Loop, _ body: @escaping (Signal) -> Void) throws(UVError) {
        for signal in [Signal.interrupt, .terminate, .hangUp] {
            let handle = try SignalHandle(on: loop)
            handles.append(handle)
            try handle.start(signal) { _, signal in body(signal) }
            handle.unref()
        }
    }

    func close() { for handle in handles { handle.close() } }
}
