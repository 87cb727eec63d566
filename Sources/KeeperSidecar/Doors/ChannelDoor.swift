internal import KeeperProtocol
internal import UVLoop

/// The channel: its clients, and their common part of a turn of the loop.
///
/// In a turn, each client that has sent something is read; then lines taken are written to the child, labels are
/// written to the record, and each writer is told how far its lines have come, before the loop waits again.
final class ChannelDoor {
    /// The most bytes of channel lines that wait for the child; a single longer line may wait too.
    static let room = 262_144

    unowned let keeper: Keeper
    let loop: Loop
    let input: ChildInput
    let output: KeptOutput?
    /// The listener that accepts the clients; replaced when the socket is made anew.
    var listener: PipeListener {
        didSet { if isPaused { listener.pause() } }
    }
    private var isPaused = false
    /// Looks for clients that are gone, while no others are accepted.
    private let sweeps: TimerHandle
    let writers = Writers()
    let budget: ClientBudget
    let maximumLineLength: Int
    private(set) var clients: [ObjectIdentifier: ChannelClient] = [:]
    /// The number of clients that are looked at for each new one.
    private static let looks = 16
    /// Clients that are looked at next: they may be gone.
    private var unwatched: [ChannelClient] = []
    /// True if all clients were looked at in this turn.
    private var hasLooked = false
    /// Clients whose next line has no room, in the order in which they began to wait. While there are any, no other takes a
    /// line: a long one would wait for ever beside short ones.
    private var waiting: [ChannelClient] = []
    /// The client whose turn it is among those that waited.
    private var next: ChannelClient?
    /// Clients that have sent lines again which are already in the pipe.
    private var repeating: [ChannelClient] = []
    /// Clients whose labels wait for the end of the turn, with the changes.
    private var labeling: [(client: ChannelClient, change: [JSONValue.Member])] = []
    /// The bound on the requests of a turn.
    private(set) lazy var turns = RequestTurns { [unowned self] in scheduleTurnEnd() }
    private var isTurnScheduled = false
    private var onEmpty: (() -> Void)?

    init(
        _ keeper: Keeper, input: ChildInput, output: KeptOutput?, listener: PipeListener, budget: ClientBudget,
        maximumLineLength: Int,
    ) {
        self.keeper = keeper
        loop = input.loop
        sweeps = TimerHandle(on: loop)
        self.input = input
        self.output = output
        self.listener = listener
        self.budget = budget
        self.maximumLineLength = maximumLineLength
        budget.largest.append { [unowned self] in largest }
        input.endOfPart = { [unowned self] in
            acknowledge()
            return writers.endOfPart(at: self.input.written)
        }
    }

    // MARK: Clients

    func add(_ stream: PipeStream) {
        if clients.count < ChannelConstants.connections { dropSomeGone() } else { dropGoneOnce() }
        guard clients.count < ChannelConstants.connections else {
            let error = ChannelError(.busy, "-", "there are \(ChannelConstants.connections) connections already")
            stream.write(ChannelMessage.error(error).header)
            // The refused connection holds a descriptor like the others until it is closed.
            budget.add()
            return stream.finish(deadline: ChannelConstants.partingTime) { [budget] _ in budget.remove() }
        }
        let client = ChannelClient(stream, self)
        clients[ObjectIdentifier(client)] = client
        budget.add()
        client.start(hello: keeper.hello)
    }

    func remove(_ client: ChannelClient) {
        guard clients.removeValue(forKey: ObjectIdentifier(client)) != nil else { return }
        waiting.removeAll { $0 === client }
        repeating.removeAll { $0 === client }
        labeling.removeAll { $0.client === client }
        budget.remove()
        // Another one may be the first now.
        if !waiting.isEmpty { scheduleTurnEnd() }
        if clients.isEmpty { onEmpty.take()?() }
    }

    /// Accepts no clients while the budget of all doors is used up, and accepts them again afterwards.
    func limitClients() {
        if budget.isFull { dropGone() }
        guard budget.isFull != isPaused, !listener.isClosing else { return }
        isPaused = budget.isFull
        guard !isPaused else {
            sweeps.start(after: .seconds(1), repeating: .seconds(1)) { [unowned self] _ in dropGone() }
            return listener.pause()
        }
        sweeps.stop()
        do throws(UVError) { try listener.resume() } catch {
            // The listener's loop has closed it.
            return
        }
    }

    /// Drops clients that are gone and were not noticed, since nothing is read from them.
    private func dropGone() {
        for client in clients.values where client.isUnwatched && client.isGone { client.close() }
    }

    /// Does the same for a few clients, others each time.
    private func dropSomeGone() {
        if unwatched.isEmpty { unwatched = clients.values.filter(\.isUnwatched) }
        for client in unwatched.suffix(ChannelDoor.looks) where client.isUnwatched && client.isGone { client.close() }
        unwatched.removeLast(min(ChannelDoor.looks, unwatched.count))
    }

    /// Does the same for all clients, once in a turn of the loop: thousands may connect in one.
    private func dropGoneOnce() {
        guard !hasLooked else { return }
        hasLooked = true
        loop.onNextTick { [self] in hasLooked = false }
        dropGone()
    }

    // MARK: Turns

    /// Schedules the end of the turn: a line was taken, or a label is to be written.
    func scheduleTurnEnd() {
        guard !isTurnScheduled else { return }
        isTurnScheduled = true
        loop.onNextTick { [self] in endTurn() }
    }

    private func endTurn() {
        input.flush()
        isTurnScheduled = false
        turns.begin()
        acknowledge()
        writeLabels()
        resumeWaiting()
        turns.serveNext()
    }

    /// Called when the child's pipe has taken more bytes, or takes no more lines. Clients are served at the end of the
    /// turn, since one of them may be in the middle of taking a line.
    func progressed() {
        if !writers.behind.isEmpty || !waiting.isEmpty { scheduleTurnEnd() }
    }

    /// Sends a client's acknowledgement at the end of the turn, once for all lines that it has sent again.
    func acknowledgeLater(_ client: ChannelClient) {
        repeating.append(client)
        scheduleTurnEnd()
    }

    private func acknowledge() {
        writers.written(upTo: input.written) { $0.client?.acknowledge() }
        guard !repeating.isEmpty else { return }
        let clients = repeating
        repeating = []
        for client in clients where client.isAcknowledgementDue { client.acknowledge() }
    }

    // MARK: Lines

    private func isFirst(_ client: ChannelClient) -> Bool {
        guard let first = next ?? waiting.first else { return true }
        return first === client
    }

    /// True if a client's line of so many bytes may be taken now.
    func hasRoom(for byteCount: Int, of client: ChannelClient) -> Bool {
        guard isFirst(client) else { return false }
        func hasRoom() -> Bool {
            let waiting = input.waitingByteCount(from: .channel)
            return waiting == 0 || waiting + byteCount <= ChannelDoor.room
        }
        if hasRoom() { return true }
        input.flush()
        return hasRoom()
    }

    /// The number of bytes of a client's lines that may be taken now.
    func roomLeft(for client: ChannelClient) -> Int {
        isFirst(client) ? max(0, ChannelDoor.room - input.waitingByteCount(from: .channel)) : 0
    }

    /// True while clients of the channel wait for room: other doors then leave them some.
    var isCrowded: Bool { !waiting.isEmpty }

    func wait(_ client: ChannelClient) {
        guard !waiting.contains(where: { $0 === client }) else { return }
        waiting.append(client)
    }

    private func resumeWaiting() {
        guard !waiting.isEmpty else { return }
        guard !input.isOpen || input.waitingByteCount(from: .channel) <= ChannelDoor.room / 2 else { return }
        for _ in waiting.indices {
            guard let client = waiting.first else { return }
            waiting.removeFirst()
            next = client
            let before = input.enqueued
            client.resume()
            next = nil
            // A client that has taken lines, and waits for room again, is the last one now.
            guard input.enqueued == before, waiting.last === client else { continue }
            waiting.removeLast()
            return waiting.insert(client, at: 0)
        }
    }

    /// Handles the closing of the child's stdin: lines not in its pipe are lost, and later ones refused.
    func inputClosed() {
        acknowledge()
        for writer in writers.loseRest() { writer.client?.inputClosed(firstLost: writer.acknowledged + 1) }
        resumeWaiting()
    }

    // MARK: Memory

    /// The client with the most bytes of an unfinished line, and a closure that ends its connection.
    private var largest: (byteCount: Int, lose: () -> Void)? {
        guard let client = clients.values.max(by: { $0.pendingByteCount < $1.pendingByteCount }) else { return nil }
        return (
            client.pendingByteCount,
            {
                client.part(
                    ChannelError(
                        .busy, .write, sequence: client.nextSequence,
                        "lines that are not whole take all the memory there is"))
            }
        )
    }

    // MARK: Labels

    func label(_ client: ChannelClient, _ change: [JSONValue.Member]) {
        labeling.append((client, change))
        scheduleTurnEnd()
    }

    private func writeLabels() {
        guard !labeling.isEmpty else { return }
        let changes = labeling
        labeling = []
        let errors = keeper.writeLabels(changes.map(\.change))
        for (index, change) in changes.enumerated() { change.client.labelled(errors[index]) }
    }

    // MARK: The end

    /// Tells every client how the session ended, readers after the rest of their output; `completion` runs once all
    /// clients have gone.
    func end(_ exit: SessionExit, _ completion: @escaping () -> Void) {
        inputClosed()
        guard !clients.isEmpty else { return loop.onNextTick(completion) }
        onEmpty = { [loop] in loop.onNextTick(completion) }
        for client in clients.values { client.end(exit) }
    }

    /// Drops all clients that are left.
    func close() {
        unwatched = []
        // Connections refused by `add` may end later, and would still report to the budget.
        budget.onChange = nil
        sweeps.close()
        for client in clients.values { client.close() }
    }
}
