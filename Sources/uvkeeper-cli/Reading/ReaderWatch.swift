import UVKeeper

/// Notices that nobody reads stdout any more, of which nothing tells before there is something to write.
final class ReaderWatch {
    private static let interval = Duration.milliseconds(200)

    private let timer: TimerHandle

    /// `onGone` may be called more than once, until ``close()``.
    init(on loop: Loop, onGone: @escaping () -> Void) {
        timer = TimerHandle(on: loop)
        timer.start(after: ReaderWatch.interval, repeating: ReaderWatch.interval) { _ in
            if Descriptors.isBroken(1) { onGone() }
        }
    }

    func close() { timer.close() }
}
