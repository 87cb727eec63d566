import UVKeeper

/// A watch for the loss of stdout's reader, which is not reported before the next write.
final class ReaderWatch {
    private static let interval = Duration.milliseconds(200)

    private let timer: TimerHandle

    /// Begins; `onGone` may be called more than once, until ``close()``.
    init(on loop: Loop, onGone: @escaping () -> Void) {
        timer = TimerHandle(on: loop)
        timer.start(after: ReaderWatch.interval, repeating: ReaderWatch.interval) { _ in
            if Descriptors.isBroken(1) { onGone() }
        }
    }

    func close() { timer.close() }
}
