import KeeperSidecar
import UVKeeper

/// A keeper stand-in that harms a line, a start or an end now and then: the proof that the harness notices. This program
/// itself, started as `--faulty-keeper KIND SESSION`. No lock, no limits, no log: only what the harness needs to talk to it.
final class FaultyKeeper {
    enum Kind: String, CaseIterable, Sendable {
        case none
        /// One line in ten thousand.
        case drop, duplicate, tear, reorder
        /// Every third start fails; the others are those of a keeper without fault.
        case failStart = "fail-start"
        /// A last line without a newline is never passed on.
        case loseTail = "lose-tail"
        /// One socket in twenty is left behind at an orderly end.
        case leaveSocket = "leave-socket"
        /// What ``FaultyOutput`` does to output.
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
    private var signal: SignalHandle?
    /// Nil if nobody is to read the child's output.
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

    /// Counts the calls of all keepers of a run, by files that are made once each; of so many one has its turn.
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

    /// The child's command. It is a run's own, and JSON escapes no character of it.
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
        if keepsOutput { output = try FaultyOutput(kind.output, of: session, in: paths, on: loop) }
        let process = try ChildProcess(configuration, on: loop) { [unowned self] _, _ in end() }
        try output?.attach(process)
        child = process
        let pidFile = try OpenFile(paths.keeperPID(for: session), .append)
        try pidFile.write(Array("\(CurrentProcess.id)".utf8))
        pidFile.close()
        listener = try PipeListener(bindingTo: paths.socket(for: session), on: loop)
        try listener?.listen { [unowned self] _, accepted in
            if case .success(let stream) = accepted { serve(stream) }
        }
        let signal = try SignalHandle(on: loop)
        try signal.start(.terminate) { [unowned self] _, _ in
            try? child?.kill(.kill)
            // Its output is awaited.
            if output == nil { end() }
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
                    forward(&held.bytes)
                },
                onEnd: { [unowned self] stream, error in
                    guard error == nil, let pipe = child?.streams[0] else { return stream.close() }
                    if !held.bytes.isEmpty, kind != .loseTail {
                        held.bytes.append(10)
                        forward(&held.bytes)
                    }
                    pipe.write([]) { _ in stream.close() }
                })
        } catch {
            stream.close()
        }
    }

    private func forward(_ bytes: inout [UInt8]) {
        guard let end = bytes.lastIndex(of: 10) else { return }
        var output: [UInt8] = []
        bytes[...end].withUnsafeBytes { lines in
            var start = 0
            while start < lines.count {
                let next = lines[start...].firstIndex(of: 10)! + 1
                mischief.pass(lines.baseAddress! + start, next - start) {
                    output += UnsafeRawBufferPointer(start: $0, count: $1)
                }
                start = next
            }
        }
        bytes.removeFirst(end + 1)
        child?.streams[0]?.write(output)
    }

    private func end() {
        guard let output else { return leave() }
        output.finish { [self] in leave() }
    }

    private func leave() {
        let leaves =
            kind == .leaveSocket
            ? (try? FaultyKeeper.isTurn(of: "ends", every: FaultyKeeper.endInterval)) ?? false : false
        if !leaves { try? Files.unlinkIfPresent(paths.socket(for: session)) }
        try? Files.unlinkIfPresent(paths.keeperPID(for: session))
        CurrentProcess.exit(0)
    }
}
