internal import KeeperProtocol
internal import UVLoop

/// A session's keeper, held fast: a signal sent through the hold reaches that process, and never a later one with its
/// pid.
struct KeeperHold {
    let process: ProcessDescriptor
    /// True for a keeper of ours, which ends the processes of its session itself; the original's server signals the
    /// process group.
    let isOurs: Bool

    var pid: Int32 { process.pid }

    /// The session's keeper as proven by its lock or its socket, checked once more after the process was taken hold of;
    /// nil if there is no proof.
    ///
    /// - Throws: ``UVError/tooManyOpenFiles`` and its like.
    init?(_ session: SessionID, paths: KeeperPaths) throws(UVError) {
        guard case (.live(let pid?), let proof) = KeeperInspection.look(session, paths: paths) else { return nil }
        switch proof {
        case .lock:
            process = try ProcessDescriptor(of: pid)
            guard KeeperInspection.lockHolder(of: session, paths: paths) == pid else { return nil }
            isOurs = true
        case .listener:
            guard let listener = KeeperInspection.listener(of: session, paths: paths).process, listener.pid == pid
            else { return nil }
            process = listener
            isOurs = false
        case nil: return nil
        }
    }

    /// A keeper known by its start time: `isIt` decides from the system's details, read after the process was taken
    /// hold of, if the process is that keeper; nil if it is not.
    ///
    /// - Throws: also ``UVError/notSupported`` if the system does not tell, for lack of a descriptor for instance.
    init?(_ pid: Int32, isOurs: Bool, if isIt: (ProcessDetails) -> Bool) throws(UVError) {
        process = try ProcessDescriptor(of: pid)
        guard let details = ProcessDetails(of: pid) else {
            guard !process.hasEnded else { return nil }
            throw .notSupported
        }
        guard isIt(details), !process.hasEnded else { return nil }
        self.isOurs = isOurs
    }

    /// Sends SIGTERM: to a keeper of ours alone, to an original one with the process group that it leads, as its own
    /// server does.
    ///
    /// - Parameter ladder: for a keeper of ours; nil: its own settings hold.
    func terminate(_ ladder: StopLadder? = nil) throws(UVError) {
        // A group that this process is in must not be signalled.
        guard !isOurs, process.leadsGroup, CurrentProcess.groupID != pid else {
            return try process.send(.terminate, value: ladder?.signalValue)
        }
        try process.sendToGroup(.terminate)
    }
}
