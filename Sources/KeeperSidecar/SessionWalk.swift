internal import KeeperProtocol
internal import UVLoop

/// A visit of every process of the session, in parts: the loop serves clients between two of them, however many processes
/// there are.
///
/// It keeps itself until it has ended or was canceled.
final class SessionWalk {
    /// How much of a turn of the loop a part takes.
    private static let slice = Duration.milliseconds(5)

    private let loop: Loop
    private let slice: Duration
    private let body: (ProcessDescriptor) -> Void
    /// Called once, with how the visit has ended; nil when it was called, or the walk was canceled.
    private var completion: ((ProcessTree.Visit) -> Void)?
    private var walk = ProcessWalk()

    /// Begins; the first part is done at once.
    ///
    /// - Parameter body: is lent each process. Those of other keepers' sessions are left out.
    @discardableResult
    init(
        on loop: Loop, slice: Duration = SessionWalk.slice, _ body: @escaping (ProcessDescriptor) -> Void,
        completion: @escaping (ProcessTree.Visit) -> Void,
    ) {
        self.loop = loop
        self.slice = slice
        self.body = body
        self.completion = completion
        goOn()
    }

    /// Ends without a completion. Idempotent.
    func cancel() { completion = nil }

    private func goOn() {
        guard let completion else { return }
        let deadline = SystemClock.deadline(in: slice)
        // Held by pidfds one after the other, since descriptors may be few.
        guard let visit = walk.run(until: deadline, leavingOut: KeeperProcesses.contain, body) else {
            return loop.onNextTick { [self] in goOn() }
        }
        self.completion = nil
        completion(visit)
    }
}
