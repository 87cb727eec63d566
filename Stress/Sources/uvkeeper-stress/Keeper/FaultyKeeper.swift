import KeeperSidecar
import UVKeeper

/// A keeper stand-in that harms a line, a start or an end now and then: the proof that the harness notices. The
/// stand-in is this program, started as `--faulty-keeper KIND SESSION`. There is no lock, limit or log, only what the
/// harness needs to talk to it.
final class FaultyKeeper {
    enum Kind: String, CaseIterable, Sendable {
        case none
        /// The stand-in without a fault.
        case honest
        /// One line in ten thousand is harmed.
        case drop, duplicate, tear, reorder
        /// `drop-ack`: the acknowledgement of one line in ten thousand, and those after it, are dropped. `early-ack`:
        /// the acknowledgement comes before the line was written, and the line is then lost.
        case dropAcknowledgement = "drop-ack"
        case acknowledgeEarly = "early-ack"
        /// A writer that comes back is taken for a new one.
        case forgetWriter = "forget-writer"
        /// Every third start fails; the others are those of a keeper without fault.
        case failStart = "fail-start"
        /// A last line without a newline is never passed on.
        case loseTail = "lose-tail"
        /// One socket in twenty is left behind at an orderly end.
        case leaveSocket = "leave-socket"
        /// Faults of output, see ``FaultyOutput``.
        case loseChunk = "lose-chunk"
        case wrongOffset = "wrong-offset"
        case repeatChunk = "repeat-chunk"
        case falseGap = "false-gap"
        case wrongEnd = "wrong-end"

        /// The command that becomes a keeper of this kind.
        var sidecar: SidecarCommand {
            get throws(KeeperError) {
                let own = try SidecarCommand.currentExecutable()
                return self == .none ? own : SidecarCommand([own.argv[0], FaultyKeeper.argument, rawValue])
            }
        }

        fileprivate var mischief: Mischief.Kind { Mischief.Kind(rawValue: rawValue) ?? .none }
        fileprivate var output: FaultyOutput.Kind { FaultyOutput.Kind(rawValue: rawValue) ?? .none }

        fileprivate var channelFault: StandInChannel.Fault {
            switch self {
            case .dropAcknowledgement: .dropAcknowledgement
            case .acknowledgeEarly: .acknowledgeEarly
            case .forgetWriter: .forgetWriter
            default: .none
            }
        }
    }

    static let argument = "--faulty-keeper"
    private static let startInterval = 3
    private static let endInterval = 20

    private let loop: Loop
    private let paths: KeeperPaths
    private let session: SessionID
    private let kind: Kind
    private var mischief: Mischief
    private var child: ChildProcess?
    private var listener: PipeListener?
    private var channel: StandInChannel?
    private var wasToldToEnd = false
    private var signal: SignalHandle?
    /// The child's output; nil if it is not to be read.
    private var output: FaultyOutput?

    /// Becomes the stand-in if this process was started as one.
    static func runIfRequested(_ arguments: [String]) {
        guard arguments.count > 1, arguments[1] == argument else { return }
        Descriptors.closeAll(from: 3)
        do {
            guard arguments.count == 4, let kind = Kind(rawValue: arguments[2]) else {
                throw StressError("usage: \(argument) KIND SESSION")
            }
            if kind == .failStart {
                guard try !isTurn(of: "starts", every: startInterval) else { throw StressError("it fails for nothing") }
                KeeperSidecar.runIfRequested(
                    arguments: [arguments[0], KeeperConstants.hostArgument, arguments[3]])
            }
            try FaultyKeeper(kind, try SessionID(arguments[3])).run()
        } catch {
            StandardStreams.writeError("faulty keeper: \(error)\n")
            CurrentProcess.exit(2)
        }
    }

    /// Returns true for one call in `interval`, counted over all keepers of a run, by files that are made once each.
    private static func isTurn(of name: String, every interval: Int) throws(UVError) -> Bool {
        let directory = ProcessEnvironment.current[RunDirectory.variable] ?? "."
        var number = 0
        while true {
            do throws(UVError) {
                try OpenFile("\(directory)/\(name)-\(number)", .createNew).close()
                return number % interval == interval / 2
            } catch .exists {
                number += 1
            }
        }
    }

    private init(_ kind: Kind, _ session: SessionID) throws {
        loop = try Loop()
        paths = KeeperPaths(directory: ProcessEnvironment.current["PI_KEEPER_SESSIONS_DIR"] ?? ".")
        self.session = session
        self.kind = kind
        mischief = Mischief(kind.mischief)
    }

    /// The child's command, which is set by the run, without any character that JSON escapes.
    private var command: [String] {
        let json = ProcessEnvironment.current["PI_KEEPER_PI_CMD"] ?? ""
        return json.dropFirst().dropLast().split(separator: ",").map { String($0.dropFirst().dropLast()) }
    }

    private func run() throws -> Never {
        let words = self.command
        let keepsOutput = ProcessEnvironment.current["PI_KEEPER_OUTPUT_MAX_BYTES"] != nil
        guard let program = words.first else { throw StressError("no command") }
        let configuration = ChildProcess.Configuration(
            executable: program, arguments: Array(words.dropFirst()),
            stdio: keepsOutput ? [.pipe, .pipe, .pipe] : [.pipe])
        let process = try ChildProcess(configuration, on: loop) { [unowned self] _, status in end(status) }
        if keepsOutput { output = try FaultyOutput(kind.output, of: process) }
        child = process
        let pidFile = try OpenFile(paths.keeperPID(for: session), .append)
        try pidFile.write(Array("\(CurrentProcess.id)".utf8))
        pidFile.close()
        channel = try StandInChannel(
            session, at: paths.channel(for: session), kind.channelFault, output: output, on: loop
        ) { [unowned self] line, written in forward(line, written) }
        try writeRecord(exit: "null")
        listener = try PipeListener(bindingTo: paths.socket(for: session), on: loop)
        try listener?.listen { [unowned self] _, accepted in
            if case .success(let stream) = accepted { serve(stream) }
        }
        let signal = try SignalHandle(on: loop)
        try signal.start(.terminate) { [unowned self] _, _ in
            wasToldToEnd = true
            try? child?.kill(.kill)
        }
        self.signal = signal
        loop.run()
        CurrentProcess.exit(0)
    }

    private func serve(_ stream: PipeStream) {
        final class Held { var bytes: [UInt8] = [] }
        let held = Held()
        do {
            try stream.readStart(
                onBytes: { [unowned self] _, bytes in
                    bytes.withUnsafeBytes { held.bytes += $0 }
                    forwardLines(of: &held.bytes)
                },
                onEnd: { [unowned self] stream, error in
                    if error == nil, !held.bytes.isEmpty, kind != .loseTail {
                        held.bytes.append(10)
                        forwardLines(of: &held.bytes)
                    }
                    stream.close()
                })
        } catch {
            stream.close()
        }
    }

    private func forwardLines(of bytes: inout [UInt8]) {
        guard let end = bytes.lastIndex(of: 10) else { return }
        for line in bytes[...end].split(separator: 10) { forward(line + [10]) {} }
        bytes.removeFirst(end + 1)
    }

    private func forward(_ line: [UInt8], _ written: @escaping () -> Void) {
        var output: [UInt8] = []
        line.withUnsafeBytes {
            mischief.pass($0.baseAddress!, $0.count) { output += UnsafeRawBufferPointer(start: $0, count: $1) }
        }
        child?.streams[0]?.write(output) { error in
            if error == nil { written() }
        }
    }

    private func end(_ status: ProcessExit) {
        guard let output else { return leave(status) }
        output.finish { [self] in leave(status) }
    }

    private func leave(_ status: ProcessExit) {
        let how: String =
            switch status {
            case .exited(let code): #""code":\#(code),"signal":null"#
            case .signaled(.terminate): #""code":null,"signal":"TERM""#
            case .signaled: #""code":null,"signal":"KILL""#
            case .unknown: #""code":null,"signal":null"#
            }
        // A stop signals the keeper's process group, so the child may have received the signal first.
        let wasStopped = wasToldToEnd || status == .signaled(.terminate)
        let reason = wasStopped ? "keeper-signalled" : "exited"
        let exit =
            #"{\#(how),"reason":"\#(reason)","by":null,"at":"","leftBehind":[],"#
            + (output.map { #""output":\#($0.ranges),"# } ?? "")
            + #""inputUnread":null,"writers":[\#(channel?.states ?? "")],"stderrTail":""}"#
        try? writeRecord(exit: exit)
        let leaves =
            kind == .leaveSocket
            ? (try? FaultyKeeper.isTurn(of: "ends", every: FaultyKeeper.endInterval)) ?? false : false
        try? Files.unlinkIfPresent(paths.channel(for: session))
        if !leaves { try? Files.unlinkIfPresent(paths.socket(for: session)) }
        try? Files.unlinkIfPresent(paths.keeperPID(for: session))
        guard let output else { CurrentProcess.exit(0) }
        output.tell(exit: exit) { CurrentProcess.exit(0) }
    }

    /// Replaces the record.
    private func writeRecord(exit: String) throws(UVError) {
        let path = paths.record(for: session)
        let text =
            #"{"v":1,"session":"\#(session)","epoch":"\#(channel?.epoch ?? "")","bootID":"","#
            + #""keeper":{"pid":\#(CurrentProcess.id)},"child":{"pid":\#(child?.pid ?? 0)},"cwd":"","startedAt":"","#
            + #""labels":{},"exit":\#(exit)}"#
        let file = try OpenFile(path + ".tmp", .append)
        defer { file.close() }
        try file.truncate()
        try file.write(Array(text.utf8))
        try Files.rename(path + ".tmp", to: path)
    }
}
