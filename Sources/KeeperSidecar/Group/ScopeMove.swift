internal import KeeperProtocol
internal import UVLoop

/// The move of this process into a scope of its own: a connection to a service manager's bus, and a conversation on it,
/// which ends within half a second, or a second if the request has to be withdrawn.
final class ScopeMove {
    /// The longest time that a session waits for its service manager.
    static let longest = Duration.milliseconds(500)
    /// The pause before the next attempt if the bus has no room for a connection.
    private static let pause = Duration.milliseconds(10)

    /// The paths of the buses' sockets, the present one first.
    private var buses: [String]
    /// The reasons why those before could not be connected to.
    private var reasons = ""
    private let loop: Loop
    private var conversation: ScopeConversation
    private let unit: String
    private let timer: TimerHandle
    /// True if this process ends without its scope.
    private let isRequired: Bool
    /// True once the request is being withdrawn.
    private(set) var isWithdrawing = false
    private var pauseTimer: TimerHandle?
    private var stream: PipeStream?
    private var onEnd: ((ScopeConversation.End) -> Void)?

    /// Begins; `onEnd` is called once, on a later tick.
    ///
    /// - Parameters:
    ///   - service: the unit whose `KillMode` decides; nil: the scope is wanted in any case.
    ///   - isRequired: true: this process ends without the scope, so a request without an answer is withdrawn.
    ///   - buses: the paths of the bus's sockets; the first that takes a connection counts.
    init(
        _ request: ScopeRequest, leaving service: String?, isRequired: Bool = false, buses: [String], on loop: Loop,
        onEnd: @escaping (ScopeConversation.End) -> Void,
    ) {
        self.buses = buses
        self.loop = loop
        conversation = ScopeConversation(request, leaving: service, processID: CurrentProcess.id)
        unit = request.unit
        timer = TimerHandle(on: loop)
        self.isRequired = isRequired
        self.onEnd = onEnd
        timer.start(after: ScopeMove.longest) { [unowned self] _ in timeIsOver() }
        connect()
    }

    private func timeIsOver() {
        // The manager may have moved this process and not have said so yet: the scope is then used.
        let isMoved = ControlGroup.current?.isInside(scope: unit) == true
        guard isRequired, !isMoved, !isWithdrawing, let bytes = conversation.withdraw() else {
            return end(noAnswer)
        }
        isWithdrawing = true
        stream?.write(bytes)
        // The answer is waited for: the manager does not take a call of a process that has gone.
        timer.start(after: ScopeMove.longest) { [unowned self] _ in timeIsOver() }
    }

    private var bus: String { buses[0] }

    private var noAnswer: ScopeConversation.End {
        .refused("no answer from \(bus) within \(Int(ScopeMove.longest / .milliseconds(1))) ms")
    }

    private func connect() {
        do throws(UVError) {
            // A weak capture: a connection that is given up ends when this object may be gone.
            stream = try PipeStream(connectingTo: bus, on: loop) { [weak self] stream, error in
                self?.connected(stream, error)
            }
        } catch {
            loop.onNextTick { [weak self] in self?.notConnected(error) }
        }
    }

    /// Tries the next bus.
    private func notConnected(_ error: UVError) {
        guard onEnd != nil else { return }
        let reason = "\(reasons)\(bus): cannot connect to it: \(error)"
        guard buses.count > 1 else { return end(.refused(reason)) }
        reasons = reason + "; "
        buses.removeFirst()
        connect()
    }

    private func connected(_ stream: PipeStream, _ error: UVError?) {
        guard onEnd != nil else { return }
        switch error {
        case nil: converse(stream)
        // The bus's backlog is full when many sessions start at once.
        case .wouldBlock: pauseTimer = loop.after(ScopeMove.pause) { [unowned self] in connect() }
        case let error?: notConnected(error)
        }
    }

    private func converse(_ stream: PipeStream) {
        do throws(UVError) {
            try stream.readStart(
                onBytes: { [unowned self] _, bytes in received(bytes) },
                onEnd: { [unowned self] _, error in
                    if let error { refuse("it broke off", error) } else { end(.refused("\(bus): it broke off")) }
                })
        } catch {
            return refuse("cannot read from it", error)
        }
        // A failure of the write is reported to the reader too.
        stream.write(conversation.greeting(userID: CurrentProcess.userID))
    }

    private func received(_ bytes: RawSpan) {
        switch bytes.withUnsafeBytes({ conversation.receive($0) }) {
        case .send(let bytes): stream?.write(bytes)
        case .wait: break
        case .end(.refused(let words)): end(.refused("\(bus): \(words)"))
        case .end(let result): end(result)
        }
    }

    private func refuse(_ what: String, _ error: UVError) { end(.refused("\(bus): \(what): \(error)")) }

    /// Gives up; `onEnd` is not called.
    func cancel() {
        onEnd = nil
        timer.close()
        pauseTimer?.close()
        stream?.close()
    }

    private func end(_ result: ScopeConversation.End) {
        guard let onEnd else { return }
        cancel()
        // A withdrawal may end in any way; its reason stays the same.
        onEnd(isWithdrawing ? noAnswer : result)
    }
}
