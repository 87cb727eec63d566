internal import KeeperProtocol
internal import UVLoop

/// The child of a session: its process, and the pipes to and from it.
final class KeeperChild {
    let process: ChildProcess
    let input: ChildInput
    /// Nil if the child's output is discarded.
    let output: ChildOutput?
    /// Nil if its output is not kept.
    let kept: KeptOutput?
    /// On the monotonic clock, and since 1970.
    let startedAt = (monotonic: SystemClock.monotonicTime, wall: SystemClock.wallClockTime)
    private(set) var pidFile: ChildPIDFile?
    /// By which it is told from every other process; nil if it has ended so soon that nobody collects it, or the system does not tell.
    private(set) lazy var identity = ProcessIdentity(of: process.pid)

    /// Starts the child.
    ///
    /// - Throws: ``KeeperFailure`` with status 1.
    init(
        _ launch: KeeperLaunch, epoch: String, in group: SessionGroup?, on loop: Loop,
        onExit: @escaping (ProcessExit) -> Void,
    ) throws(KeeperFailure) {
        let command = launch.command
        let buffer = ChunkBuffer()
        kept = KeeperChild.keptOutput(launch, epoch: epoch, buffer, on: loop)
        let sink: (any OutputSink)? =
            kept ?? (launch.settings.capturesOutput ? CapturedOutput(launch.log, on: loop) : nil)
        output = sink.map { ChildOutput(into: $0, buffer: buffer, on: loop) }
        do throws(SpawnError) {
            let pipes = try Pipes(output)
            do throws(SpawnError) {
                let configuration = ChildProcess.Configuration(
                    executable: command[0],
                    arguments: Array(command.dropFirst()),
                    environment: launch.childEnvironment,
                    stdio: pipes.childEnds,
                    flags: [.hideWindow],
                )
                let start = { () throws(SpawnError) -> ChildProcess in
                    try launch.inStartDirectory { () throws(SpawnError) in
                        try ChildProcess(configuration, on: loop) { _, status in onExit(status) }
                    }
                }
                if let group {
                    process = try group.startChild(note: { launch.log.write($0) }, start)
                } else {
                    process = try start()
                }
            } catch {
                pipes.closeAll()
                throw error
            }
            let stdin = pipes.closeChildEnds()
            do throws(UVError) { input = try ChildInput(stdin, on: loop) } catch {
                // There is a child, and no way to it.
                KeeperChild.end(process)
                throw .resources(error)
            }
        } catch {
            output?.close()
            kept?.close()
            // The original's words, which its users' tools look for, then ours.
            throw .childFailed("pi spawn error: spawn \(command[0]) \(error.systemError.name): \(error)")
        }
    }

    private static func keptOutput(
        _ launch: KeeperLaunch, epoch: String, _ buffer: ChunkBuffer, on loop: Loop,
    ) -> KeptOutput? {
        let limit = launch.settings.outputMaximumBytes
        guard limit > 0 else { return nil }
        return KeptOutput(
            launch.session, epoch: epoch, paths: launch.paths, limit: limit, buffer: buffer, log: launch.log, on: loop)
    }

    private static func end(_ process: ChildProcess) {
        do throws(UVError) { try process.kill(.kill) } catch {
            // It has ended by itself.
        }
        process.close()
    }

    /// Writes the file by which servers tell whether the child lives.
    func writePIDFile(_ launch: KeeperLaunch) {
        do throws(UVError) {
            pidFile = try ChildPIDFile(process.pid, identity, session: launch.session, paths: launch.paths)
        } catch {
            launch.log.write("cannot write pi-PID sidecar: \(error)")
        }
    }

    /// The ends of the child's pipes until it has started.
    private struct Pipes {
        /// Our end of its stdin.
        private let stdin: Int32
        /// Its own ends.
        private var theirs: [Int32]

        init(_ output: ChildOutput?) throws(SpawnError) {
            do throws(UVError) {
                let (readEnd, writeEnd) = try Descriptors.pipe(nonBlockingWrites: true)
                stdin = writeEnd
                theirs = [readEnd]
                guard let output else { return }
                do throws(UVError) {
                    for stream in ChildStream.allCases { theirs.append(try output.makePipe(stream)) }
                } catch {
                    closeAll()
                    throw error
                }
            } catch {
                throw .resources(error)
            }
        }

        /// Without pipes for its output the child has none.
        var childEnds: [ChildProcess.Stdio] { theirs.map { .descriptor($0) } }

        /// After the start: the child has its copies.
        ///
        /// - Returns: our end of its stdin.
        func closeChildEnds() -> OwnedDescriptor {
            for number in theirs { OwnedDescriptor(number).close() }
            return OwnedDescriptor(stdin)
        }

        func closeAll() {
            closeChildEnds().close()
        }
    }
}
