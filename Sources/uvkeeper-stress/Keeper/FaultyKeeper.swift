import UVKeeper

/// A keeper stand-in that harms one line in ten thousand: the proof that the harness notices. This program itself, started
/// as `--faulty-keeper KIND SESSION`. No lock, no limits, no log: only what the harness needs to talk to it.
final class FaultyKeeper {
    static let argument = "--faulty-keeper"

    private let loop: Loop
    private let paths: KeeperPaths
    private let session: SessionID
    private var mischief: Mischief
    private var child: ChildProcess?
    private var listener: PipeListener?
    private var signal: SignalHandle?

    /// Becomes the stand-in if this process was started as one.
    static func runIfRequested(_ arguments: [String]) {
        guard arguments.count > 1, arguments[1] == argument else { return }
        Descriptors.closeAll(from: 3)
        do {
            guard arguments.count == 4, let kind = Mischief.Kind(rawValue: arguments[2]) else {
                throw StressError("usage: \(argument) KIND SESSION")
            }
            try FaultyKeeper(kind, try SessionID(arguments[3])).run()
        } catch {
            Descriptors.writeToStandardError("faulty keeper: \(error)\n")
            Processes.exit(2)
        }
    }

    private init(_ kind: Mischief.Kind, _ session: SessionID) throws {
        loop = try Loop()
        paths = KeeperPaths(directory: ProcessEnvironment.current["PI_KEEPER_SESSIONS_DIR"] ?? ".")
        self.session = session
        mischief = Mischief(kind)
    }

    private func run() throws -> Never {
        let words = JSONStringArray.decode(ProcessEnvironment.current["PI_KEEPER_PI_CMD"] ?? "") ?? []
        guard let program = words.first else { throw StressError("no command") }
        let configuration = ChildProcess.Configuration(
            executable: program, arguments: Array(words.dropFirst()), stdio: [.pipe])
        child = try ChildProcess(configuration, on: loop) { [unowned self] _, _ in end() }
        let pidFile = try OpenFile(paths.keeperPID(for: session), .append)
        try pidFile.write(Array("\(Processes.currentID)".utf8))
        pidFile.close()
        listener = try PipeListener(bindingTo: paths.socket(for: session), on: loop)
        try listener?.listen { [unowned self] _, accepted in
            if case .success(let stream) = accepted { serve(stream) }
        }
        let signal = try SignalHandle(on: loop)
        try signal.start(.terminate) { [unowned self] _, _ in
            try? child?.kill(.kill)
            end()
        }
        self.signal = signal
        loop.run()
        Processes.exit(0)
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
        for path in [paths.socket(for: session), paths.keeperPID(for: session)] { try? Files.unlinkIfPresent(path) }
        Processes.exit(0)
    }
}
