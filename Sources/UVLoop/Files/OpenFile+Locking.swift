internal import CLibUV

extension OpenFile {
    /// Who holds a lock.
    public enum LockHolder: Hashable, Sendable {
        /// A process, which the system names.
        case process(Int32)
        /// An open file description of some process.
        case description
    }

    /// Takes an exclusive advisory lock for this process, without waiting. The file must be open for writing.
    ///
    /// The lock ends with the process, however it ends, and when this process closes any descriptor of the file. Others
    /// can ask who holds it: ``lockHolder()``. Mirrors `fcntl(F_SETLK)`.
    ///
    /// - Returns: false when somebody else holds a lock.
    public func lockForProcess() throws(UVError) -> Bool {
        try locked(uvloop_lock_for_process(descriptor))
    }

    /// Takes an exclusive advisory lock for this description, without waiting; it ends with ``close()``. It excludes locks
    /// of this very process too. Mirrors `fcntl(F_OFD_SETLK)`; where the system lacks that, ``lockForProcess()``.
    ///
    /// - Returns: false when somebody else holds a lock.
    public func lockForDescription() throws(UVError) -> Bool {
        try locked(uvloop_lock_for_description(descriptor))
    }

    /// Who holds a lock on the file, nil when nobody does. Asking takes no lock. Mirrors `fcntl(F_OFD_GETLK)`.
    public func lockHolder() throws(UVError) -> LockHolder? {
        var holder: pid_t = -1
        guard try checkErrno(uvloop_lock_holder(descriptor, &holder)) == 1 else { return nil }
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
