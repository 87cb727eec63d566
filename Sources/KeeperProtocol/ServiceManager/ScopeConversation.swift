/// The conversation in which a keeper asks a service manager for a scope of its own: a value without a connection,
/// which is given the bytes received and returns the bytes to be sent.
///
/// The conversation has three turns: the greeting, with a question for the `KillMode` of the keeper's service; then a
/// question for the process that the bus takes for the sender; then, if that is this process and the mode would take it
/// along, the request, whose job is waited for.
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
        /// The questions without an answer yet.
        case asking(Set<Question>)
        /// The scope was requested; `job` is the object path of its job, once known.
        case requested(job: String?)
        case withdrawing
        case ended
    }

    private enum Question {
        case killMode
        case sender
    }

    private enum Serial {
        static let hello: UInt32 = 1
        static let killMode: UInt32 = 2
        static let match: UInt32 = 3
        static let subscribe: UInt32 = 4
        static let start: UInt32 = 5
        static let sender: UInt32 = 6
        static let stop: UInt32 = 7
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
    private let processID: Int32
    private var state = State.authenticating
    private var received: [UInt8] = []
    /// Jobs that ended before the path of ours was known.
    private var endedJobs: [(path: String, result: String)] = []

    /// - Parameters:
    ///   - service: the unit whose `KillMode` decides; nil: the scope is wanted in any case.
    ///   - processID: this process's number.
    package init(_ request: ScopeRequest, leaving service: String?, processID: Int32) {
        self.request = request
        self.service = service
        self.processID = processID
    }

    /// The first bytes to be sent.
    ///
    /// - Parameter userID: the user of this process, which the bus compares with the socket's credentials.
    package func greeting(userID: UInt32) -> [UInt8] {
        let digits = Array("0123456789abcdef".utf8)
        let identity = "\(userID)".utf8.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
        var bytes: [UInt8] = [0]
        bytes += Array("AUTH EXTERNAL ".utf8) + identity + Array("\r\nBEGIN\r\n".utf8)
        bytes += busCall("Hello", Serial.hello)
        guard let service else { return bytes }
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
        busCall("AddMatch", Serial.match, "s") {
            $0.string(
                "type='signal',interface='\(ScopeConversation.managerInterface)',member='JobRemoved',"
                    + "path='\(ScopeConversation.managerPath)'")
        }
            + managerCall("Subscribe", Serial.subscribe)
            + managerCall("StartTransientUnit", Serial.start, ScopeRequest.signature) { request.write(&$0) }
    }

    private func busCall(
        _ member: String, _ serial: UInt32, _ signature: String = "", _ body: (inout BusWriter) -> Void = { _ in },
    ) -> [UInt8] {
        BusMessage.call(
            member, of: ScopeConversation.bus, at: "/org/freedesktop/DBus", to: ScopeConversation.bus, serial: serial,
            signature, body)
    }

    private func managerCall(
        _ member: String, _ serial: UInt32, _ signature: String = "", _ body: (inout BusWriter) -> Void = { _ in },
    ) -> [UInt8] {
        BusMessage.call(
            member, of: ScopeConversation.managerInterface, at: ScopeConversation.managerPath,
            to: ScopeConversation.manager, serial: serial, signature, body)
    }

    /// Begins the withdrawal of a request that is not waited for any longer: a scope that the manager makes once its
    /// only process has ended would stay for ever, empty.
    ///
    /// - Returns: the bytes to be sent; nil if nothing was requested yet.
    package mutating func withdraw() -> [UInt8]? {
        guard case .requested = state else { return nil }
        state = .withdrawing
        return managerCall("StopUnit", Serial.stop, "ss") {
            $0.string(request.unit)
            $0.string("replace")
        }
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
        case .asking, .requested, .withdrawing:
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
        state = .asking(service == nil ? [.sender] : [.sender, .killMode])
        return .wait
    }

    private mutating func take(_ message: BusMessage) -> Step {
        if case .withdrawing = state {
            // An error is an answer, too: there is no such unit.
            let isAnswer = message.kind == .answer || message.kind == .failure
            return isAnswer && message.replySerial == Serial.stop ? .end(.refused("the request is withdrawn")) : .wait
        }
        switch message.kind {
        case .failure: return failed(message)
        case .answer: return answered(message)
        case .signal: return signaled(message)
        // A bus may ask if its clients are alive; the question can be left unanswered.
        case .call: return .wait
        }
    }

    private mutating func failed(_ message: BusMessage) -> Step {
        switch message.replySerial {
        // The service is unknown to this manager, so another manager's stop would end it.
        case Serial.killMode: return answered(.killMode)
        case Serial.sender: return answered(.sender)
        case Serial.hello, Serial.match, Serial.subscribe, Serial.start:
            let name = message.errorName ?? "an error"
            return .end(.refused(message.texts.first.map { "\($0) (\(name))" } ?? name))
        default: return .wait
        }
    }

    /// Sends the request once the last question has its answer.
    private mutating func answered(_ question: Question) -> Step {
        guard case .asking(var questions) = state else { return .wait }
        questions.remove(question)
        state = questions.isEmpty ? .requested(job: nil) : .asking(questions)
        return questions.isEmpty ? .send(requestBytes) : .wait
    }

    private mutating func answered(_ message: BusMessage) -> Step {
        switch message.replySerial {
        case Serial.hello:
            guard case .asking = state else { return .wait }
            guard let name = message.texts.first else { return answered(.sender) }
            return .send(busCall("GetConnectionUnixProcessID", Serial.sender, "s") { $0.string(name) })
        case Serial.sender:
            guard case .asking = state else { return .wait }
            return checkSender(message.texts.first)
        case Serial.killMode:
            guard case .asking = state else { return .wait }
            let mode = message.texts.first ?? ""
            if mode == "process" || mode == "none" { return .end(.notNeeded(killMode: mode)) }
            return answered(.killMode)
        case Serial.start:
            guard case .requested(nil) = state, message.signature == "o", let job = message.texts.first else {
                return .end(.refused("the service manager's answer names no job"))
            }
            state = .requested(job: job)
            return endedJobs.first { $0.path == job }.map { result($0.result) } ?? .wait
        default: return .wait
        }
    }

    /// The manager moves the process that the bus takes for the sender. Behind a relay that is the relay; from another
    /// pid namespace it is a number that is not this process's here, and such a process ends with process 1 of its
    /// namespace in any scope. A bus that does not tell is taken to know.
    private mutating func checkSender(_ sender: String?) -> Step {
        guard let sender, sender != "\(processID)" else { return answered(.sender) }
        return .end(
            .refused(
                "the bus takes process \(sender) for the sender, and this is \(processID): a relay is between, or this is a "
                    + "pid namespace of its own"))
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
