internal import KeeperProtocol
internal import UVLoop

/// A wait for the end of a session: first of its keeper's process, then for the exit in its record.
///
/// The keeper's lock is watched, which costs no descriptor, or its pidfd if the system would not tell.
final class SessionWatch {
    private static let longest = Duration.seconds(86_400 * 365)

    /// The pause between two looks while the process is not known, or cannot be held fast, for lack of a descriptor for
    /// instance.
    private static let pause = Duration.milliseconds(250)

    private let session: SessionID
    private let paths: KeeperPaths
    private let loop: Loop
    /// The first record that was read; nil until one could be.
    private var first: SessionRecord??
    /// Tells the record of the life that is waited for from another one's.
    private var isMeant: (SessionRecord) -> Bool = { _ in false }
    private var lock: LockWatch?
    private var wait: ProcessWait?
    private var timer: TimerHandle?
    private var completion: ((SessionExit?) -> Void)?

    /// Begins; `completion` runs once, on a later tick; on the next for a session without a keeper.
    init(
        _ session: SessionID, in paths: KeeperPaths, on loop: Loop, completion: @escaping (SessionExit?) -> Void,
    ) {
        self.session = session
        self.paths = paths
        self.loop = loop
        self.completion = completion
        look()
    }

    private func look() {
        timer = nil
        var found: KeeperHold?
        do throws(UVError) {
            let record: SessionRecord?
            if let first { record = first } else { record = try SessionRecord(readingAt: paths.record(for: session)) }
            first = .some(record)
            isMeant = SessionRecord.recognizer(of: session, in: paths, keptBy: nil, now: record)
            if let keeper = try KeeperHold(session, paths: paths) {
                found = keeper
                isMeant = SessionRecord.recognizer(of: session, in: paths, keptBy: keeper.pid, now: record)
            } else if KeeperInspection.finding(session, paths: paths).mayLive {
                // The keeper's process is not proven, or somebody is cleaning up just now.
                return lookAgain()
            }
        } catch .noProcess {
            // The keeper has ended just now.
        } catch {
            return lookAgain()
        }
        if let found {
            lock = LockWatch(found, at: paths.keeperPID(for: session), on: loop) { [weak self] (process) in
                self?.mayHaveEnded(process)
            }
            lock?.onCanceled = { [weak self] in self?.completion = nil }
        }
        if lock == nil { wait(for: found.map { [$0.process] } ?? []) }
    }

    private func mayHaveEnded(_ process: ProcessDescriptor?) {
        lock = nil
        if let process, !process.hasEnded { wait(for: [process]) } else { tell() }
    }

    private func wait(for processes: [ProcessDescriptor]) {
        wait = ProcessWait(for: processes, atMost: SessionWatch.longest, on: loop) { [self] result in
            wait = nil
            guard case .allHaveEnded = result else { return completion = nil }
            tell()
        }
    }

    private func tell() {
        timer = nil
        let record: SessionRecord?
        do throws(UVError) { record = try SessionRecord(readingAt: paths.record(for: session)) } catch {
            // No descriptor is left to read the record.
            return timer = loop.after(SessionWatch.pause) { [weak self] in self?.tell() }
        }
        completion.take()?(record.flatMap { isMeant($0) ? $0.exit : nil })
    }

    private func lookAgain() {
        timer = loop.after(SessionWatch.pause) { [weak self] in self?.look() }
    }

    func cancel() {
        completion = nil
        timer?.close()
        timer = nil
        lock?.close()
        lock = nil
        wait?.cancel()
        wait = nil
    }
}
