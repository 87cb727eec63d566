internal import KeeperProtocol
internal import UVLoop

/// The child of a session: its process, and the pipes to and from it.
final class KeeperChild {
    let process: ChildProcess
    let input: ChildInput
    /// Nil if the child's output is discarded.
    let output: ChildOutput?
    /// Nil if the child's output is not kept.
    let kept: KeptOutput?
    /// The start of the child, on the monotonic clock and since 1970.
    let startedAt = (monotonic: SystemClock.monotonicTime, wall: SystemClock.wallClockTime)
    private(set) var pidFile: ChildPIDFile?
    /// The identity by which the child is told from every other process; nil if the child ended and was gone before it
    /// could be read, or the system does not tell.
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
                // The child runs, but its stdin cannot be written to.
                KeeperChild.end(process)
                throw .resources(error)
            }
        } catch {
            output?.close()
            kept?.close()
            // The text begins with the original's words, which its users' tools look for; the rest is this project's.
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
            // The child has ended by itself.
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

    /// The ends of the child's pipes, held until the child has started.
    private struct Pipes {
        /// The keeper's end of the child's stdin.
        private let stdin: Int32
        /// The child's ends, in the order of its descriptors.
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

        /// The descriptors the child starts with; only stdin if its output is discarded.
        var childEnds: [ChildProcess.Stdio] { theirs.map { .descriptor($0) } }

        /// Closes the child's ends here once the child has started and has its copies.
        ///
        /// - Returns: the keeper's end of the child's stdin.
        func closeChildEnds() -> OwnedDescriptor {
            for number in theirs { OwnedDescriptor(number).close() }
            return OwnedDescriptor(stdin)
        }

        func closeAll() {
            closeChildEnds().close()
        }
    }
}
