import KeeperProtocol
import UVKeeper

/// A run of `uvkeeper read`: a session's output on its way to stdout, as fast as stdout takes it.
final class Reading {
    private struct End: Encodable {
        var end: [String: UInt64]
        var epoch: String?
        var exit: SessionExit?
    }

    private struct NoOutput: Error, CustomStringConvertible {
        let session: SessionID

        var description: String { "session \(session) has ended, and nothing is kept of its output" }
    }

    /// The time after which the wait for a keeper's answer is shown.
    private static let quiet = Duration.seconds(1)

    private let session: SessionID
    /// True if stderr is printed to stdout.
    private let isMerged: Bool
    private let manager: KeeperManager
    private let loop: Loop
    let pump: OutputPump
    private var printer: OutputPrinter
    private var start = OutputStart.start
    private var read: OutputRead?
    private var readers: ReaderWatch?
    private var progress = ProgressLine()
    private let waiting: TimerHandle
    private var completion: (((any Error)?) -> Void)?

    init(_ session: SessionID, isMerged: Bool, isJSON: Bool, _ manager: KeeperManager, on loop: Loop) {
        self.session = session
        self.isMerged = isMerged
        self.manager = manager
        self.loop = loop
        pump = OutputPump(on: loop)
        waiting = TimerHandle(on: loop)
        printer = OutputPrinter(pump, isJSON: isJSON, isMerged: isMerged)
    }

    /// Begins; `completion` runs once, when all output is printed, or has no reader any more; with an error if it
    /// cannot be read.
    func start(
        _ streams: [ChildStream], from start: OutputStart, follows: Bool, completion: @escaping ((any Error)?) -> Void,
    ) {
        self.completion = completion
        self.start = start
        let read = manager.session(session).read(
            streams, from: start, follows: follows,
            onBytes: { [self] in
                progress.erase()
                printer.print($0, $1, $2)
            },
            onEvent: { [self] in tell($0) })
        self.read = read
        pump.onFlow = { $0 ? read.resume() : read.pause() }
        pump.onFailure = { [self] in
            read.cancel()
            pump.reportLoss()
            end(nil)
        }
        readers = ReaderWatch(on: loop) { [self] in
            read.cancel()
            end(nil)
        }
        waiting.start(after: Reading.quiet, repeating: .milliseconds(200)) { [self] waiting in
            if read.position.isEmpty {
                progress.show("the keeper of session \(session) has not answered yet")
            } else {
                progress.erase()
                waiting.stop()
            }
        }
    }

    private func tell(_ event: OutputEvent) {
        progress.erase()
        switch event {
        case .gap(let stream, let range): printer.gap(stream, range)
        case .finished: finish(exit: nil)
        case .ended(let exit) where exit?.output == nil && (read?.position.values.allSatisfy { $0 == 0 } ?? true):
            end(NoOutput(session: session))
        case .ended(let exit):
            // The library does not know the end of a killed keeper's output, and takes the end of the files for it.
            if let error = start.beyondEnd(of: session, { read?.position[$0] }) { return end(error) }
            finish(exit: exit)
        case .failed(let error): end(explained(error))
        }
    }

    private func finish(exit: SessionExit?) {
        printer.finish()
        if printer.isJSON, let read {
            let offsets = read.position.map { ($0.key.rawValue, $0.value) }
            printer.write(
                End(end: Dictionary(uniqueKeysWithValues: offsets), epoch: read.positionEpoch, exit: exit))
        }
        end(nil)
    }

    private func end(_ error: (any Error)?) {
        readers?.close()
        waiting.close()
        progress.erase()
        pump.finish { [self] in completion.take()?(error) }
    }

    /// The error, explained by the facts known about the session.
    private func explained(_ error: KeeperError) -> any Error {
        SessionAbsence.explained(error, session, manager)
    }
}
