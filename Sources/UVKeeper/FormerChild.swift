internal import UVLoop

/// The child of a dead keeper that a new start of its session waits for: the end of its input may just be ending it.
final class FormerChild {
    /// How long a start waits for it.
    private static let patience = Duration.milliseconds(500)

    private var wait: ProcessWait?
    private var completion: ((ProcessWait.Result) -> Void)?
    private let loop: Loop

    /// `completion` runs once, on a later tick.
    init(_ process: ProcessDescriptor, on loop: Loop, completion: @escaping (ProcessWait.Result) -> Void) {
        self.loop = loop
        self.completion = completion
        wait = ProcessWait(for: [process], atMost: FormerChild.patience, on: loop) { self.end($0) }
    }

    /// Gives it up: it ends as canceled, on a later tick.
    func cancel() {
        wait?.cancel()
        loop.onNextTick { self.end(.canceled) }
    }

    private func end(_ result: ProcessWait.Result) {
        wait = nil
        guard let completion else { return }
        self.completion = nil
        completion(result)
    }
}
