internal import KeeperProtocol
internal import UVLoop

/// A watch on a keeper that costs no descriptor: the system tells when the keeper closes its pid file, as it does for
/// one that is killed.
///
/// The lock proves that the keeper has the file open for writing, and a keeper gives its open files to no child. When
/// the keeper may have ended, its process is taken hold of again, by pid and start time, and handed over.
final class LockWatch {
    /// The pause between two tries to take hold of the process, for lack of a descriptor for instance.
    private static let pause = Duration.milliseconds(250)

    /// Gets the process, which may have ended; nil if it has, and its parent has collected its status. Called again
    /// after a pause if it throws.
    typealias Handover = (ProcessDescriptor?) throws(UVError) -> Void

    private let pid: Int32
    private let startTime: Duration
    private let path: String
    private let identity: FileIdentity
    private let loop: Loop
    private let watcher: WriterWatcher
    private var timer: TimerHandle?
    private var handover: Handover?
    /// Called once if the loop has closed the watch: nothing is handed over then.
    var onCanceled: (() -> Void)?

    /// Begins; nil if the system would not tell of the keeper's end: it does not hold the lock, for instance, or the
    /// user has no watches left. A keeper that ends later is handed over, on a later tick.
    ///
    /// - Parameters:
    ///   - pid: the process, which runs.
    ///   - startTime: the start time that proves it.
    ///   - path: the keeper's pid file.
    init?(_ pid: Int32, startedAt startTime: Duration, at path: String, on loop: Loop, handover: @escaping Handover) {
        watcher = WriterWatcher(on: loop)
        do {
            let file = try OpenFile(path, .readOnly)
            defer { file.close() }
            try watcher.start(file)
            // The look comes after the watch, so that no end is missed between them.
            guard try LockWatch.holds(pid, file), ProcessDetails(of: pid)?.startTime == startTime else {
                throw UVError.noProcess
            }
            identity = file.statusAtOpening.identity
        } catch {
            watcher.close()
            return nil
        }
        self.pid = pid
        self.startTime = startTime
        self.path = path
        self.loop = loop
        self.handover = handover
        // The closures keep the watch alive until its end.
        watcher.onEvent = { self.look() }
        watcher.onCanceled = { self.canceled() }
    }

    /// Begins; nil as above, or if the keeper is not proven by its lock.
    convenience init?(_ keeper: KeeperHold, at path: String, on loop: Loop, handover: @escaping Handover) {
        guard keeper.isOurs, let startTime = ProcessDetails(of: keeper.pid)?.startTime, !keeper.process.hasEnded else {
            return nil
        }
        self.init(keeper.pid, startedAt: startTime, at: path, on: loop, handover: handover)
    }

    /// Lets the loop's run return although the keeper runs.
    func unref() { watcher.unref() }

    /// False once the process was handed over, or the watch given up or closed by the loop.
    var isWatching: Bool { handover != nil && !watcher.isClosing }

    /// Gives the watch up; nothing is handed over any more. Idempotent.
    func close() {
        handover = nil
        onCanceled = nil
        watcher.close()
        timer?.close()
        timer = nil
    }

    private func look() {
        timer?.close()
        timer = nil
        guard let handover else { return }
        do throws(UVError) {
            let process = try process()
            if let process, stays(process) { return }
            try handover(process)
            close()
        } catch {
            let timer = loop.after(LockWatch.pause) { self.look() }
            if !watcher.isReferenced { timer.unref() }
            self.timer = timer
        }
    }

    /// The process, taken hold of again; nil if it is gone, whatever process has its pid now.
    ///
    /// - Throws: ``UVError/tooManyOpenFiles`` and its like.
    private func process() throws(UVError) -> ProcessDescriptor? {
        do throws(UVError) {
            let process = try ProcessDescriptor(of: pid)
            if let details = ProcessDetails(of: pid) { return details.startTime == startTime ? process : nil }
            // The process is gone since, or the system does not tell for lack of a descriptor.
            _ = try ProcessDescriptor(of: pid)
            throw .notSupported
        } catch {
            guard error == .noProcess else { throw error }
            return nil
        }
    }

    /// True if the process runs, and the system will tell of its end as before: others may have closed the file, or
    /// changed its attributes. A file that was moved, removed or replaced tells no more.
    private func stays(_ process: ProcessDescriptor) -> Bool {
        guard watcher.isWatching, !process.hasEnded else { return false }
        do throws(UVError) {
            let file = try OpenFile(path, .readOnly)
            defer { file.close() }
            guard file.statusAtOpening.identity == identity else { return false }
            return try LockWatch.holds(pid, file)
        } catch {
            return false
        }
    }

    private static func holds(_ pid: Int32, _ file: OpenFile) throws(UVError) -> Bool {
        try file.exclusiveLockHolder() == .process(pid)
    }

    private func canceled() {
        let onCanceled = onCanceled
        close()
        onCanceled?()
    }
}
