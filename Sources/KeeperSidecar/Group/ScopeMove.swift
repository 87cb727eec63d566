internal import KeeperProtocol
internal import UVLoop

/// The move of this process into a scope of its own: a connection to a service manager's bus, a conversation, and an end within
/// half a second.
final class ScopeMove {
    /// How long a session waits for its service manager.
    static let longest = Duration.milliseconds(500)

    private var conversation: ScopeConversation
    private let timer: TimerHandle
    private var stream: PipeStream?
    private var onEnd: ((ScopeConversation.End) -> Void)?

    /// Begins; `onEnd` is called once, on a later tick.
    ///
    /// - Parameter bus: the path of the bus's socket.
    init(
        _ request: ScopeRequest, leaving service: String?, bus: String, on loop: Loop,
        onEnd: @escaping (ScopeConversation.End) -> Void,
    ) {
        conversation = ScopeConversation(request, leaving: service)
        timer = TimerHandle(on: loop)
        self.onEnd = onEnd
        let milliseconds = ScopeMove.longest / .milliseconds(1)
        timer.start(after: ScopeMove.longest) { [unowned self] _ in
            end(.refused("no answer from \(bus) within \(Int(milliseconds)) ms"))
        }
        do throws(UVError) {
            let stream = try PipeStream(connectingTo: bus, on: loop) { [unowned self] stream, error in
                if let error { end(.refused("cannot connect to \(bus): \(error)")) } else { converse(stream) }
            }
            self.stream = stream
        } catch {
            loop.onNextTick { [weak self] in self?.end(.refused("cannot connect to \(bus): \(error)")) }
        }
    }

    /// The bus of the service manager that this user may ask: root's is the system's, another's their own.
    static func bus(for userID: UInt32, runtimeDirectory: String?) -> String {
        guard userID != 0 else { return "/run/dbus/system_bus_socket" }
        let own = "/run/user/\(userID)/bus"
        guard let runtimeDirectory, runtimeDirectory.hasPrefix("/") else { return own }
        let named = "\(runtimeDirectory)/bus"
        return Files.exists(named) ? named : own
    }

    private func converse(_ stream: PipeStream) {
        do throws(UVError) {
            try stream.readStart(
                onBytes: { [unowned self] _, bytes in received(bytes) },
                onEnd: { [unowned self] _, error in
                    end(.refused("the bus broke off\(error.map { ": \($0)" } ?? "")"))
                })
        } catch {
            return end(.refused("cannot read from the bus: \(error)"))
        }
        // A failure is told to the reader, too.
        stream.write(conversation.greeting(userID: CurrentProcess.userID))
    }

    private func received(_ bytes: RawSpan) {
        switch bytes.withUnsafeBytes({ conversation.receive($0) }) {
        case .send(let bytes): stream?.write(bytes)
        case .wait: break
        case .end(let result): end(result)
        }
    }

    /// Gives up: nobody is told.
    func cancel() {
        onEnd = nil
        timer.close()
        stream?.close()
    }

    private func end(_ result: ScopeConversation.End) {
        guard let onEnd else { return }
        cancel()
        onEnd(result)
    }
}
