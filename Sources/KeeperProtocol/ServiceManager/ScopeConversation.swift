/// The conversation in which a keeper asks a service manager for a scope of its own: a value without a connection,
/// which is given the bytes received and returns the bytes to be sent.
///
/// The conversation has two turns: the greeting, with a question for the `KillMode` of the keeper's service; then, if
/// that mode would take the keeper along, the request, whose job is waited for.
package struct ScopeConversation: Sendable {
    /// The outcome of the conversation.
    package enum End: Hashable, Sendable {
        /// The manager reports the scope as made. The process's control group tells if it really is there.
        case moved
        /// The service's stop spares its processes: the service has this `KillMode`.
        case notNeeded(killMode: String)
        /// The reason why there is no scope, in the words of the bus or the manager.
        case refused(String)
    }

    /// The next thing to do.
    package enum Step: Hashable, Sendable {
        case send([UInt8])
        case wait
        case end(End)
    }

    private enum State {
        case authenticating
        case asking
        /// The scope was requested; `job` is the object path of its job, once known.
        case requested(job: String?)
        case ended
    }

    private enum Serial {
        static let hello: UInt32 = 1
        static let killMode: UInt32 = 2
        static let match: UInt32 = 3
        static let subscribe: UInt32 = 4
        static let start: UInt32 = 5
    }

    private static let manager = "org.freedesktop.systemd1"
    private static let managerPath = "/org/freedesktop/systemd1"
    private static let managerInterface = "org.freedesktop.systemd1.Manager"
    private static let bus = "org.freedesktop.DBus"
    private static let mostJobs = 16
    /// The longest line of the greeting, in bytes.
    private static let longestLine = 16_384

    private let request: ScopeRequest
    private let service: String?
    private var state = State.authenticating
    private var received: [UInt8] = []
    /// Jobs that ended before the path of ours was known.
    private var endedJobs: [(path: String, result: String)] = []

    /// - Parameter service: the unit whose `KillMode` decides; nil: the scope is wanted in any case.
    package init(_ request: ScopeRequest, leaving service: String?) {
        self.request = request
        self.service = service
    }

    /// The first bytes to be sent.
    ///
    /// - Parameter userID: the user of this process, which the bus compares with the socket's credentials.
    package func greeting(userID: UInt32) -> [UInt8] {
        let digits = Array("0123456789abcdef".utf8)
        let identity = "\(userID)".utf8.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
        var bytes: [UInt8] = [0]
        bytes += Array("AUTH EXTERNAL ".utf8) + identity + Array("\r\nBEGIN\r\n".utf8)
        bytes += BusMessage.call(
            "Hello", of: ScopeConversation.bus, at: "/org/freedesktop/DBus", to: ScopeConversation.bus,
            serial: Serial.hello)
        guard let service else { return bytes + requestBytes }
        return bytes
            + BusMessage.call(
                "Get", of: "org.freedesktop.DBus.Properties", at: ScopeConversation.path(of: service),
                to: ScopeConversation.manager, serial: Serial.killMode, "ss"
            ) {
                $0.string("org.freedesktop.systemd1.Service")
                $0.string("KillMode")
            }
    }

    private var requestBytes: [UInt8] {
        BusMessage.call(
            "AddMatch", of: ScopeConversation.bus, at: "/org/freedesktop/DBus", to: ScopeConversation.bus,
            serial: Serial.match, "s"
        ) {
            $0.string(
                "type='signal',interface='\(ScopeConversation.managerInterface)',member='JobRemoved',"
                    + "path='\(ScopeConversation.managerPath)'")
        }
            + managerCall("Subscribe", Serial.subscribe)
            + managerCall("StartTransientUnit", Serial.start, ScopeRequest.signature) { request.write(&$0) }
    }

    private func managerCall(
        _ member: String, _ serial: UInt32, _ signature: String = "", _ body: (inout BusWriter) -> Void = { _ in },
    ) -> [UInt8] {
        BusMessage.call(
            member, of: ScopeConversation.managerInterface, at: ScopeConversation.managerPath,
            to: ScopeConversation.manager, serial: serial, signature, body)
    }

    /// The object path of a unit. Each byte that is no letter or digit becomes `_` and two hexadecimal digits, and so
    /// does a digit in first place. Mirrors systemd's `unit_dbus_path_from_name`.
    package static func path(of unit: String) -> String {
        let digits = Array("0123456789abcdef".utf8)
        var path = Array("\(managerPath)/unit/".utf8)
        for (index, byte) in unit.utf8.enumerated() {
            let isDigit = (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
            let isLetter = (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
            if isLetter || isDigit && index > 0 {
                path.append(byte)
            } else {
                path += [UInt8(ascii: "_"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: path, as: UTF8.self)
    }

    // MARK: What comes

    /// Takes received bytes, in any pieces.
    package mutating func receive(_ bytes: UnsafeRawBufferPointer) -> Step {
        received.append(contentsOf: bytes)
        var reply: [UInt8] = []
        do throws(BusMessage.Malformed) {
            while let step = try next() {
                switch step {
                case .send(let bytes): reply += bytes
                case .wait: break
                case .end: return end(step)
                }
            }
        } catch {
            return end(.end(.refused("what came is no D-Bus")))
        }
        return reply.isEmpty ? .wait : .send(reply)
    }

    private mutating func end(_ step: Step) -> Step {
        state = .ended
        received = []
        return step
    }

    /// Handles the next line or message; nil if none is whole yet.
    private mutating func next() throws(BusMessage.Malformed) -> Step? {
        switch state {
        case .authenticating: return try authenticate()
        case .asking, .requested:
            guard let message = try BusMessage.take(from: &received) else { return nil }
            return take(message)
        case .ended: return nil
        }
    }

    private mutating func authenticate() throws(BusMessage.Malformed) -> Step? {
        guard let end = received.firstIndex(of: UInt8(ascii: "\n")) else {
            guard received.count < ScopeConversation.longestLine else { throw BusMessage.Malformed() }
            return nil
        }
        let line = String(decoding: received[..<end], as: UTF8.self)
        received.removeFirst(end + 1)
        guard line == "OK" || line.hasPrefix("OK ") || line == "OK\r" else {
            guard line.hasPrefix("REJECTED") || line.hasPrefix("ERROR") else { throw BusMessage.Malformed() }
            return .end(.refused("the bus does not take this user"))
        }
        state = service == nil ? .requested(job: nil) : .asking
        return .wait
    }

    private mutating func take(_ message: BusMessage) -> Step {
        switch message.kind {
        case .failure: failed(message)
        case .answer: answered(message)
        case .signal: signaled(message)
        // A bus may ask if its clients are alive; the question can be left unanswered.
        case .call: .wait
        }
    }

    private mutating func failed(_ message: BusMessage) -> Step {
        switch message.replySerial {
        // The service is unknown to this manager, so another manager's stop would end it.
        case Serial.killMode: return ask()
        case Serial.hello, Serial.match, Serial.subscribe, Serial.start:
            let name = message.errorName ?? "an error"
            return .end(.refused(message.texts.first.map { "\($0) (\(name))" } ?? name))
        default: return .wait
        }
    }

    private mutating func ask() -> Step {
        guard case .asking = state else { return .wait }
        state = .requested(job: nil)
        return .send(requestBytes)
    }

    private mutating func answered(_ message: BusMessage) -> Step {
        switch message.replySerial {
        case Serial.killMode:
            guard case .asking = state else { return .wait }
            let mode = message.texts.first ?? ""
            if mode == "process" || mode == "none" { return .end(.notNeeded(killMode: mode)) }
            return ask()
        case Serial.start:
            guard case .requested(nil) = state, message.signature == "o", let job = message.texts.first else {
                return .end(.refused("the service manager's answer names no job"))
            }
            state = .requested(job: job)
            return endedJobs.first { $0.path == job }.map { result($0.result) } ?? .wait
        default: return .wait
        }
    }

    private mutating func signaled(_ message: BusMessage) -> Step {
        let values = message.texts
        // The values of the signal: job number, job path, unit, result.
        guard message.member == "JobRemoved", message.interface == ScopeConversation.managerInterface,
            values.count == 4, values[2] == request.unit, case .requested(let job) = state
        else { return .wait }
        guard let job else {
            // The signal may come before the answer. A unit has one job, or a few if others meddle.
            guard endedJobs.count < ScopeConversation.mostJobs else { return .end(.refused("too many jobs")) }
            endedJobs.append((values[1], values[3]))
            return .wait
        }
        return job == values[1] ? result(values[3]) : .wait
    }

    private func result(_ result: String) -> Step {
        .end(result == "done" ? .moved : .refused("the job for \(request.unit) ended as \(result)"))
    }
}
