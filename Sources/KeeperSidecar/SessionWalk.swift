internal import KeeperProtocol
internal import UVLoop

/// A visit of every process of the session, in parts: the loop serves clients between two parts, however many processes
/// there are.
///
/// The walk retains itself until it has ended or was canceled.
final class SessionWalk {
    /// The time that one part takes in a turn of the loop.
    private static let slice = Duration.milliseconds(5)

    private let loop: Loop
    private let slice: Duration
    private let body: (ProcessDescriptor) -> Void
    /// Called once, with the outcome of the visit; nil after the call, or once the walk was canceled.
    private var completion: ((ProcessTree.Visit) -> Void)?
    private var walk = ProcessWalk()

    /// Begins; the first part runs at once.
    ///
    /// - Parameter body: is lent each process, except those of other keepers' sessions.
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
        // Processes are held by pidfd one after the other, since descriptors may be few.
        guard let visit = walk.run(until: deadline, leavingOut: KeeperProcesses.contain, body) else {
            return loop.onNextTick { [self] in goOn() }
        }
        self.completion = nil
        completion(visit)
    }
}
