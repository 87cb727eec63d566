internal import KeeperProtocol
internal import UVLoop

extension SessionRecord {
    /// The record of a session's present life; nil if there is none, or only a former life's: the keeper has not started
    /// its child yet.
    ///
    /// - Parameter process: the keeper as it was found; nil if it is not known which process it is.
    init?(of session: SessionID, keptBy process: Int32?, in paths: KeeperPaths) {
        let named = PIDFile(number: paths.keeperPID(for: session)).pid
        guard let record = SessionRecord(at: paths.record(for: session)), record.isOf(process, named: named) else {
            return nil
        }
        self = record
    }

    /// True if it is of the keeper that lives. Until a keeper starts its child, a former life's record is there.
    ///
    /// - Parameters:
    ///   - process: the keeper as it was found; nil if it is not known which process it is.
    ///   - named: the pid in its pid file, which like the record's is its own word, perhaps from another pid namespace.
    func isOf(_ process: Int32?, named: Int32?) -> Bool {
        guard let named else { return true }
        guard named == keeper.pid else { return false }
        guard process == named, let startTicks = keeper.startTicks, let identity = ProcessIdentity(of: named) else {
            return true
        }
        return startTicks == identity.startTicks
    }

    /// True if the file has the record of another life of the session by now, which has removed the output of this one.
    func isReplaced(at path: String) -> Bool {
        let present = SessionRecord(at: path)
        return present != nil && present?.epoch != epoch
    }

    /// A test for the record of the present life of a session, which tells how that life ended; other lives have their own.
    ///
    /// - Parameters:
    ///   - process: its keeper; nil if it has none any more.
    ///   - record: its record as it is now.
    static func recognizer(
        of session: SessionID, in paths: KeeperPaths, keptBy process: Int32?, now record: SessionRecord?,
    ) -> (SessionRecord) -> Bool {
        let epoch = record?.epoch
        guard let process else { return { $0.epoch == epoch } }
        let named = PIDFile(number: paths.keeperPID(for: session)).pid
        if let record, record.isOf(process, named: named) { return { $0.epoch == epoch } }
        return { $0.epoch != epoch && (named == nil || $0.keeper.pid == named) }
    }
}
