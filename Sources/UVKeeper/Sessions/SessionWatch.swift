internal import KeeperProtocol
internal import UVLoop

/// Waits for the end of a session: of its keeper's process, then of what its record says.
final class SessionWatch {
    private static let longest = Duration.seconds(86_400 * 365)

    private var wait: ProcessWait?
    private var completion: ((SessionExit?) -> Void)?

    /// `completion` runs once, on a later tick; at once for a session that has no keeper.
    init(
        _ session: SessionID, in paths: KeeperPaths, on loop: Loop, completion: @escaping (SessionExit?) -> Void,
    ) {
        self.completion = completion
        let epoch = SessionRecord(at: paths.record(for: session))?.epoch
        var processes: [ProcessDescriptor] = []
        do throws(UVError) {
            if let keeper = try KeeperHold(session, paths: paths) { processes = [keeper.process] }
        } catch {
            // It has ended just now.
        }
        wait = ProcessWait(for: processes, atMost: SessionWatch.longest, on: loop) { [self] _ in
            wait = nil
            let record = SessionRecord(at: paths.record(for: session))
            let exit = record?.epoch == epoch ? record?.exit : nil
            self.completion.take()?(exit)
        }
    }

    func cancel() {
        completion = nil
        wait?.cancel()
        wait = nil
    }
}
