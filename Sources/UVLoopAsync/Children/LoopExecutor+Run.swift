public import UVLoop

extension LoopExecutor {
    /// Runs a program to its end, and returns how it ended and its output.
    ///
    /// Returns when the child and its streams have ended: processes it has left behind that still hold its streams open
    /// are waited for. If the task is canceled, or the loop ends, the child is killed.
    ///
    /// - Parameters:
    ///   - executable: the file, or a name to look for in the directories of PATH.
    ///   - arguments: the arguments after the program's name.
    ///   - environment: the child's; nil: this process's own.
    ///   - workingDirectory: the child's; nil: this process's own.
    ///   - input: the bytes of its stdin.
    ///   - limit: the most bytes of stdout, and of stderr; a child that writes more is killed.
    public func run(
        _ executable: String, _ arguments: [String] = [], environment: ProcessEnvironment? = nil,
        workingDirectory: String? = nil, input: [UInt8] = [], outputLimit limit: Int = 1 << 24,
    ) async throws(RunError) -> ProcessResult {
        let configuration = ChildProcess.Configuration(
            executable: executable, arguments: arguments, environment: environment,
            workingDirectory: workingDirectory, stdio: [input.isEmpty ? .ignore : .pipe, .pipe, .pipe])
        return try await OneShot<ProcessResult, RunError>.run(on: self, canceled: .canceled) { loop, end in
            ChildRun(configuration, input, limit, on: loop, end).start()
        }
    }
}

/// A child that is run to its end, with its output kept. Used on the loop's thread; retained by the child's streams and
/// its watch.
private final class ChildRun {
    private let configuration: ChildProcess.Configuration
    private let input: [UInt8]
    private let limit: Int
    private let loop: Loop
    private let shot: OneShot<ProcessResult, RunError>
    private var child: ChildProcess?
    private var exit: ProcessExit?
    private var kept: [[UInt8]] = [[], []]
    private var openStreams = 0
    private var failure: RunError?

    init(
        _ configuration: ChildProcess.Configuration, _ input: [UInt8], _ limit: Int, on loop: Loop,
        _ shot: OneShot<ProcessResult, RunError>,
    ) {
        self.configuration = configuration
        self.input = input
        self.limit = limit
        self.loop = loop
        self.shot = shot
    }

    func start() {
        let child: ChildProcess
        do throws(SpawnError) {
            child = try ChildProcess(configuration, on: loop) { _, exit in
                self.exit = exit
                self.endIfDone()
            }
        } catch {
            return shot.end(.failure(.spawn(error)))
        }
        self.child = child
        child.signalOnCancel = .kill
        child.onCanceled = { _ in self.fail(.canceled) }
        if let stdin = child.streams[0] {
            // A child that does not read all of its input, or has ended, is no failure.
            stdin.write(input)
            stdin.shutdown { _ in stdin.close() }
        }
        for (index, stream) in child.streams.dropFirst().enumerated() {
            guard let stream else { continue }
            openStreams += 1
            do throws(UVError) {
                try stream.readStart(
                    onBytes: { _, bytes in self.received(bytes, index) },
                    onEnd: { stream, error in
                        stream.close()
                        if let error { self.fail(.stream(error)) }
                        self.openStreams -= 1
                        self.endIfDone()
                    })
            } catch {
                stream.close()
                openStreams -= 1
                fail(.stream(error))
            }
        }
        shot.onCancel = { self.fail(.canceled) }
    }

    private func received(_ bytes: RawSpan, _ index: Int) {
        guard kept[index].count + bytes.byteCount <= limit else { return fail(.tooMuchOutput(limit: limit)) }
        bytes.withUnsafeBytes { kept[index].append(contentsOf: $0) }
    }

    private func endIfDone() {
        guard let exit, openStreams == 0, failure == nil else { return }
        child = nil
        shot.end(.success(ProcessResult(exit: exit, output: kept[0], errors: kept[1])))
    }

    /// Kills the child, whose end is still collected, and ends the run with the error.
    private func fail(_ error: RunError) {
        guard failure == nil else { return }
        failure = error
        // The child may have ended; a kill of this process's own child cannot fail otherwise.
        do throws(UVError) { try child?.kill(.kill) } catch {}
        for stream in child?.streams ?? [] { stream?.close() }
        child = nil
        shot.end(.failure(error))
    }
}
