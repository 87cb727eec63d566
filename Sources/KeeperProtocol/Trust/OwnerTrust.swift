internal import UVLoop

/// Whose files may be relied on.
package enum OwnerTrust {
    /// True for what belongs to this process's own user or to root; for root, whoever it belongs to, since containers have root
    /// use the directories of others.
    package static func trusts(_ userID: UInt32) -> Bool {
        if userID == 0 { return true }
        let own = CurrentProcess.userID
        return userID == own || own == 0
    }
}
