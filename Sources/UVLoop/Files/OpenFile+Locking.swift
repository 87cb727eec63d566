internal import CLibUV

extension OpenFile {
    /// The holder of a lock.
    public enum LockHolder: Hashable, Sendable {
        /// A process; the system tells its id.
        case process(Int32)
        /// An open file description of some process; the system does not tell whose.
        case description
    }

    /// Takes an exclusive advisory lock for this process, without waiting. The file must be open for writing.
    ///
    /// The lock ends with the process, however it ends, and when this process closes any descriptor of the file. Other
    /// processes can ask for the holder: ``lockHolder()``. Mirrors `fcntl(F_SETLK)`.
    ///
    /// - Returns: false if another process holds a lock.
    public func lockForProcess() throws(UVError) -> Bool {
        try locked(uvloop_lock_for_process(descriptor))
    }

    /// Takes an exclusive advisory lock for this description, without waiting; the lock ends with ``close()``. Excludes
    /// other locks of this process too. Mirrors `fcntl(F_OFD_SETLK)`; on systems without it, works as
    /// ``lockForProcess()``.
    ///
    /// - Returns: false if another process or description holds a lock.
    public func lockForDescription() throws(UVError) -> Bool {
        try locked(uvloop_lock_for_description(descriptor))
    }

    /// Returns the holder of a lock on the file, nil if there is none. Takes no lock. Mirrors `fcntl(F_OFD_GETLK)`.
    public func lockHolder() throws(UVError) -> LockHolder? { try holder(ofLockAgainst: F_WRLCK) }

    /// Returns the holder of an exclusive lock on the file, nil if there is none: such a holder has the file open for
    /// writing. Takes no lock.
    package func exclusiveLockHolder() throws(UVError) -> LockHolder? { try holder(ofLockAgainst: F_RDLCK) }

    private func holder(ofLockAgainst type: CInt) throws(UVError) -> LockHolder? {
        var holder: pid_t = -1
        guard try checkErrno(uvloop_lock_holder(descriptor, type, &holder)) == 1 else { return nil }
        return holder > 0 ? .process(holder) : .description
    }

    private func locked(_ result: CInt) throws(UVError) -> Bool {
        do {
            try checkErrno(result)
            return true
        } catch .wouldBlock, .accessDenied {
            return false
        }
    }
}
