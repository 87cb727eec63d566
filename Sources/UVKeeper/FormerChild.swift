internal import UVLoop

/// The child of a dead keeper that a new start of its session waits for: the end of its input may just be ending it.
final class FormerChild {
    /// How long a start waits for it.
    private static let patience = Duration.milliseconds(500)

    private var wait: ProcessWait?
    private var completion: ((_ hasEnded: Bool) -> Void)?
    private let loop: Loop

    /// `completion` runs once, on a later tick; false also after ``cancel()``.
    init(_ process: ProcessDescriptor, on loop: Loop, completion: @escaping (_ hasEnded: Bool) -> Void) {
        self.loop = loop
        self.completion = completion
        wait = ProcessWait(for: [process], atMost: FormerChild.patience, on: loop) { hasEnded in self.end(hasEnded) }
    }

    func cancel() {
        wait?.cancel()
        loop.onNextTick { self.end(false) }
    }

    private func end(_ hasEnded: Bool) {
        wait = nil
        guard let completion else { return }
        self.completion = nil
        completion(hasEnded)
    }
}
