public import UVLoop

/// A child process with its streams, for tasks.
public actor RunningProcess: LoopActor {
    /// The executor whose loop watches the process.
    public nonisolated let executor: LoopExecutor
    /// The executor as the runtime knows it.
    public nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }
    /// The process id.
    public nonisolated let pid: Int32
    /// The stream to the child's stdin; nil if it has no pipe there.
    public nonisolated let input: Connection?
    /// The stream from the child's stdout; nil if it has no pipe there.
    public nonisolated let output: Connection?
    /// The stream from the child's stderr; nil if it has no pipe there.
    public nonisolated let errors: Connection?

    private let held: Handover<ChildProcess>
    private var exit: ProcessExit?
    private var isUnwatched = false
    private var waiters = WaitingList<ProcessExit, UVError>()
    private var lastWaiter: UInt64 = 0

    private init(_ child: Handover<ChildProcess>, on executor: LoopExecutor, _ streams: [Connection?]) {
        held = child
        pid = child.value.pid
        self.executor = executor
        (input, output, errors) = (streams[0], streams[1], streams[2])
    }

    /// Starts a child, calls `body` with it, and waits for its end. When `body` returns, the child's input is finished,
    /// and its further output is dropped. If `body` throws, or the task is canceled, the child gets SIGTERM, and after
    /// `grace` SIGKILL. If the loop ends, the child gets SIGKILL.
    ///
    /// - Parameters:
    ///   - executable: the file, or a name to look for in the directories of PATH.
    ///   - arguments: the arguments after the program's name.
    ///   - environment: the child's; nil: this process's own.
    ///   - workingDirectory: the child's; nil: this process's own.
    ///   - stdio: its three standard descriptors.
    ///   - grace: the time between SIGTERM and SIGKILL.
    ///   - executor: the executor whose loop watches it.
    ///   - body: called with the child while it runs.
    /// - Throws: ``/UVLoop/SpawnError``, and the error of `body`.
    public static func with<Value: Sendable>(
        _ executable: String, _ arguments: [String] = [], environment: ProcessEnvironment? = nil,
        workingDirectory: String? = nil, stdio: [ChildProcess.Stdio] = [.pipe, .pipe, .descriptor(2)],
        grace: Duration = .seconds(2), on executor: LoopExecutor,
        _ body: (RunningProcess) async throws -> Value,
    ) async throws -> (value: Value, exit: ProcessExit) {
        let process = try await start(
            ChildProcess.Configuration(
                executable: executable, arguments: arguments, environment: environment,
                workingDirectory: workingDirectory, stdio: stdio), on: executor, signalOnCancel: .kill)
        let value: Value
        do {
            value = try await body(process)
        } catch {
            await process.end(grace: grace)
            throw error
        }
        guard !Task.isCancelled else {
            await process.end(grace: grace)
            throw UVError.canceled
        }
        // A child that reads no more has closed its end.
        try? await process.input?.finishWriting()
        do throws(UVError) {
            return (value, try await process.drain())
        } catch {
            await process.end(grace: grace)
            throw error
        }
    }

    /// Starts a child that is not ended automatically: the caller must see to its end. It outlives the loop.
    ///
    /// - Throws: ``/UVLoop/SpawnError``; after the loop's end the same as for a shortage.
    public static func start(
        _ configuration: ChildProcess.Configuration, on executor: LoopExecutor,
    ) async throws(SpawnError) -> RunningProcess {
        try await start(configuration, on: executor, signalOnCancel: nil)
    }

    private static func start(
        _ configuration: ChildProcess.Configuration, on executor: LoopExecutor, signalOnCancel signal: Signal?,
    ) async throws(SpawnError) -> RunningProcess {
        let result: Result<RunningProcess, SpawnError>
        do throws(UVError) {
            result = try await executor.run { loop in
                do throws(SpawnError) {
                    let process = try RunningProcess.start(configuration, on: loop, executor)
                    process.held.value.signalOnCancel = signal
                    return .success(process)
                } catch {
                    return .failure(error)
                }
            }
        } catch {
            throw .resources(error)
        }
        return try result.get()
    }

    private static func start(
        _ configuration: ChildProcess.Configuration, on loop: Loop, _ executor: LoopExecutor,
    ) throws(SpawnError) -> RunningProcess {
        // The exit is reported on a later tick, when the actor exists.
        let box = Holder<RunningProcess>()
        let child = try ChildProcess(configuration, on: loop) { _, exit in
            box.object?.assumeIsolated { $0.ended(.success(exit)) }
            box.object = nil
        }
        child.onCanceled = { _ in
            box.object?.assumeIsolated { $0.ended(.failure(.canceled)) }
            box.object = nil
        }
        let streams = (0..<3).map { index in
            child.streams.indices.contains(index) ? child.streams[index].map { Connection.over($0, on: executor) } : nil
        }
        let process = RunningProcess(Handover(child), on: executor, streams)
        box.object = process
        return process
    }

    private func ended(_ result: Result<ProcessExit, UVError>) {
        if case .success(let exit) = result { self.exit = exit } else { isUnwatched = true }
        waiters.resumeAll(result)
    }

    // MARK: Its end

    /// The exit of the process; nil while it runs.
    public var exitStatus: ProcessExit? { exit }

    /// Waits for the end of the process; its output may still be unread in pipes then.
    ///
    /// - Throws: ``/UVLoop/UVError/canceled`` if the task is canceled, or the loop has ended; the child runs on.
    public func wait() async throws(UVError) -> ProcessExit {
        lastWaiter += 1
        let number = lastWaiter
        return try await wait(canceled: .canceled) {
            wait($0, number)
        } onCancel: {
            $0.waiters.cancel(number, with: .canceled)
        }
    }

    private func wait(_ continuation: UnsafeContinuation<Result<ProcessExit, UVError>, Never>, _ number: UInt64) {
        if let exit { return continuation.resume(returning: .success(exit)) }
        guard !isUnwatched else { return continuation.resume(returning: .failure(.canceled)) }
        waiters.add(continuation, number)
    }

    /// Sends the process a signal.
    ///
    /// - Throws: ``/UVLoop/UVError/noProcess`` once the process has ended.
    public func send(_ signal: Signal) throws(UVError) { try held.value.kill(signal) }

    /// Drops the child's further output, and waits for its end.
    private nonisolated func drain() async throws(UVError) -> ProcessExit {
        async let output: Void = RunningProcess.drop(output)
        async let errors: Void = RunningProcess.drop(errors)
        let exit = try await wait()
        _ = await (output, errors)
        return exit
    }

    private static func drop(_ connection: Connection?) async {
        guard let connection else { return }
        do throws(UVError) {
            while try await connection.read() != nil {}
        } catch {
            // The connection ended in another way, or was closed; these bytes are of no interest.
        }
        await connection.close()
    }

    /// Ends the process: SIGTERM, and after `grace` SIGKILL. Returns when it has ended, even if the task is canceled.
    public func end(grace: Duration = .seconds(2)) async {
        guard exit == nil, !isUnwatched else { return await closeStreams() }
        // The process may end at this moment.
        try? send(.terminate)
        let killer = Task { [executor] in
            try await executor.clock.sleep(for: grace)
            try self.send(.kill)
        }
        // The wait is in a task of its own, as this task may be canceled: the child is ended all the same.
        _ = await Task { try? await self.wait() }.value
        killer.cancel()
        await closeStreams()
    }

    private func closeStreams() async {
        await input?.close()
        await output?.close()
        await errors?.close()
    }
}
