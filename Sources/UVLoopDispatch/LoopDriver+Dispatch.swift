public import Dispatch
public import UVLoop

extension LoopDriver.Host {
    /// A serial queue: everything of the loop is used on it.
    ///
    /// - Parameter queue: the main queue, or one that runs one block at a time.
    public static func queue(_ queue: DispatchQueue) -> LoopDriver.Host {
        LoopDriver.Host(
            execute: { queue.async(execute: $0) },
            schedule: { delay, body in
                let timer = DispatchSource.makeTimerSource(queue: queue)
                // Not too early, which would be a round for nothing.
                let nanoseconds = Int(clamping: Int64((delay / .nanoseconds(1)).rounded(.up)))
                timer.schedule(deadline: .now() + .nanoseconds(nanoseconds))
                timer.setEventHandler(handler: body)
                timer.activate()
                return { timer.cancel() }
            },
            watch: { (descriptor, body) throws(UVError) in
                // A cancellation takes effect later, and the loop may be closed by then: the source has a descriptor of its own.
                let own = try Descriptors.duplicate(descriptor).release()
                let source = DispatchSource.makeReadSource(fileDescriptor: own, queue: queue)
                source.setEventHandler(handler: body)
                source.setCancelHandler { OwnedDescriptor(own).close() }
                source.activate()
                return { source.cancel() }
            })
    }
}
