import TestSupport
import UVLoop

@testable import KeeperProtocol

/// A bus with a service manager on it, in this process, that does what a test wants.
final class FakeBus {
    enum Behaviour {
        /// It answers each call with these bytes; of a `nil` nothing comes.
        case answers((_ call: Call) throws -> [UInt8]?)
        /// It says this as soon as somebody comes, and reads what comes.
        case says([UInt8])
        /// As the first, and it breaks the connection after so many bytes in all.
        case breaks(after: Int, (_ call: Call) throws -> [UInt8]?)
    }

    /// A call that has come.
    struct Call {
        var serial: UInt32
        var member: String
        /// The object that is called.
        var path: String
        var texts: [String]
        /// The process that calls.
        var processID: Int32?
    }

    let path: String
    private(set) var calls: [Call] = []
    private(set) var connections = 0
    /// True once nobody is connected any more.
    var isLeft: Bool { streams.allSatisfy(\.isClosing) }
    private(set) var failure: (any Error)?
    private var listener: PipeListener?
    private var streams: [PipeStream] = []
    private let behaviour: Behaviour

    /// - Parameter listens: false: nobody is let in, and nobody is sent away.
    init(_ behaviour: Behaviour, at path: String, on loop: Loop, listens: Bool = true, backlog: Int? = nil) throws {
        self.behaviour = behaviour
        self.path = path
        listener = try PipeListener(bindingTo: path, on: loop)
        try listener?.listen(backlog: backlog ?? Listener.defaultBacklog) { [unowned self] _, result in
            do { try converse(try result.get()) } catch { failure = error }
        }
        if !listens || backlog != nil { listener?.pause() }
    }

    /// Lets in whoever waits.
    func resume() throws { try listener?.resume() }

    func close() throws {
        listener?.close()
        for stream in streams { stream.close() }
        if let failure { throw failure }
    }

    private func converse(_ stream: PipeStream) throws {
        streams.append(stream)
        connections += 1
        if case .says(let bytes) = behaviour { stream.write(bytes) }
        var received: [UInt8] = []
        var left = Int.max
        if case .breaks(let count, _) = behaviour { left = count }
        var hasBegun = false
        let write = { (bytes: [UInt8]) in
            stream.write(Array(bytes.prefix(left)))
            left -= min(left, bytes.count)
        }
        try stream.readStart(
            onBytes: { [unowned self, unowned stream] _, bytes in
                bytes.withUnsafeBytes { received += $0 }
                do {
                    if !hasBegun {
                        let begin = Array("BEGIN\r\n".utf8)
                        guard let range = received.firstRange(of: begin) else { return }
                        received.removeFirst(range.upperBound)
                        hasBegun = true
                        if answer != nil { write(BusAnswer.ok) }
                    }
                    while let call = try nextCall(&received, of: stream) {
                        calls.append(call)
                        if let bytes = try answer?(call) { write(bytes) }
                    }
                    if left == 0 { stream.shutdown { _ in stream.close() } }
                } catch {
                    failure = error
                }
            },
            onEnd: { stream, _ in stream.close() })
    }

    private var answer: ((Call) throws -> [UInt8]?)? {
        switch behaviour {
        case .answers(let answer), .breaks(_, let answer): answer
        case .says: nil
        }
    }

    private func nextCall(_ bytes: inout [UInt8], of stream: PipeStream) throws -> Call? {
        guard let length = BusAnswer.length(bytes), bytes.count >= length else { return nil }
        let serial = BusAnswer.serial(ofCall: bytes)
        guard let message = try BusMessage.take(from: &bytes) else { return nil }
        return Call(
            serial: serial, member: message.member ?? "", path: message.path ?? "", texts: message.texts,
            processID: stream.peer.processID)
    }

    // MARK: A service manager

    static let job = "/org/freedesktop/systemd1/job/17"

    /// Answers as systemd does.
    ///
    /// - Parameters:
    ///   - sender: the number of the process that the bus takes for the sender; nil: the true one.
    ///   - move: called with the unit and the process that is to be in it, before the answer.
    static func systemd(
        killMode: String = "control-group", result: String = "done", signalFirst: Bool = false, sender: UInt32? = nil,
        _ move: @escaping (_ unit: String, _ process: Int32) throws -> Void = { _, _ in },
    ) -> (Call) throws -> [UInt8]? {
        { call in
            switch call.member {
            case "Hello": return BusAnswer.answer(to: call.serial, .string(":1.5"))
            case "GetConnectionUnixProcessID":
                guard call.texts == [":1.5"] else { return BusAnswer.failure(of: call.serial, "org.a.No", "who?") }
                return BusAnswer.answer(to: call.serial, .number(sender ?? UInt32(call.processID ?? 0)))
            case "Get": return BusAnswer.answer(to: call.serial, .property(killMode))
            case "StartTransientUnit":
                let unit = call.texts.first ?? ""
                try move(unit, call.processID ?? 0)
                let answer = BusAnswer.answer(to: call.serial, .path(job))
                let signal = BusAnswer.jobRemoved(job, of: unit, result)
                return signalFirst ? signal + answer : answer + signal
            default: return BusAnswer.answer(to: call.serial)
            }
        }
    }
}
