internal import UVLoop

/// A wait until all of some processes have ended, or a time has passed. Each process is watched by its pidfd; a process
/// that cannot be watched is checked at intervals.
final class ProcessWait {
    enum Result {
        case allHaveEnded
        case timedOut
        /// The wait was given up, or the loop has closed all handles.
        case canceled
    }

    private static let interval = Duration.milliseconds(10)

    private let loop: Loop
    private var running: [Int32: ProcessDescriptor] = [:]
    private var watchers: [Int32: PollHandle] = [:]
    private let timer: TimerHandle
    private var looks: TimerHandle?
    private var completion: ((Result) -> Void)?

    /// `completion` runs once, on a later tick.
    init(
        for processes: [ProcessDescriptor], atMost time: Duration, on loop: Loop,
        completion: @escaping (Result) -> Void,
    ) {
        self.loop = loop
        self.completion = completion
        timer = TimerHandle(on: loop)
        for process in processes where !process.hasEnded {
            running[process.pid] = process
            watch(process)
        }
        // The handles' closures keep the wait alive until its end.
        timer.start(after: running.isEmpty ? .zero : time) { _ in
            self.end(self.running.values.allSatisfy(\.hasEnded) ? .allHaveEnded : .timedOut)
        }
        timer.onCanceled = { self.end(.canceled) }
    }

    /// Gives up the wait, which ends as canceled, on a later tick.
    func cancel() {
        guard let completion else { return }
        self.completion = nil
        close()
        loop.onNextTick { completion(.canceled) }
    }

    private func watch(_ process: ProcessDescriptor) {
        do throws(UVError) {
            guard process.descriptor >= 0 else { throw .notSupported }
            let watcher = try PollHandle(descriptor: process.descriptor, on: loop)
            watchers[process.pid] = watcher
            try watcher.start(.readable) { _, _, error in
                if error != nil { return self.look(at: process) }
                self.ended(process)
            }
        } catch {
            look(at: process)
        }
    }

    /// Checks the process at intervals, as it has no watcher.
    private func look(at process: ProcessDescriptor) {
        closeWatcher(of: process)
        guard looks == nil else { return }
        let timer = TimerHandle(on: loop)
        looks = timer
        timer.start(after: ProcessWait.interval, repeating: ProcessWait.interval) { _ in
            for process in Array(self.running.values) where process.hasEnded { self.ended(process) }
        }
    }

    private func ended(_ process: ProcessDescriptor) {
        closeWatcher(of: process)
        running[process.pid] = nil
        if running.isEmpty { end(.allHaveEnded) }
    }

    private func end(_ result: Result) {
        guard let completion else { return }
        self.completion = nil
        close()
        completion(result)
    }

    private func closeWatcher(of process: ProcessDescriptor) {
        // The descriptor must stay open until its watcher has closed.
        watchers.removeValue(forKey: process.pid)?.close { _ = process }
    }

    private func close() {
        for process in running.values { closeWatcher(of: process) }
        running = [:]
        looks?.close()
        looks = nil
        timer.close()
    }
}
