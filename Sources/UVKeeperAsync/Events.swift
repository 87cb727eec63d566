internal import UVLoop
internal import UVLoopAsync

extension Keepers {
    /// The events of sessions.
    public struct Events: AsyncSequence, Sendable {
        /// The sequence never fails.
        public typealias Failure = Never
        let inbox: EventInbox

        /// The iterator of one task.
        public struct Iterator: AsyncIteratorProtocol {
            let inbox: EventInbox

            /// The next event; nil when the keepers are closed, or the task is canceled.
            public mutating func next() async -> KeeperEvent? { await inbox.next() }

            /// The next event, as above, for a caller's isolation.
            public mutating func next(isolation actor: isolated (any Actor)?) async -> KeeperEvent? {
                await inbox.next()
            }
        }

        /// Begins to listen; events since the call of `events()` wait.
        public func makeAsyncIterator() -> Iterator { Iterator(inbox: inbox) }
    }
}

/// The events that wait for a task.
actor EventInbox: LoopActor {
    nonisolated let executor: LoopExecutor
    /// The executor as the runtime knows it.
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }
    private var inbox = Inbox<KeeperEvent>(limit: 1024)

    init(on executor: LoopExecutor) { self.executor = executor }

    func put(_ event: KeeperEvent) { inbox.put(event) }

    func finish() { inbox.finish() }

    func next() async -> KeeperEvent? {
        let number = inbox.nextNumber()
        do throws(UVError) {
            return try await wait(canceled: .canceled) {
                inbox.take($0, number)
            } onCancel: {
                $0.inbox.cancel(number)
            }
        } catch {
            return nil
        }
    }
}
