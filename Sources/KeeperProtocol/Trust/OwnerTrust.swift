internal import UVLoop

/// The owners whose files are trusted.
package enum OwnerTrust {
    /// True for this process's own user and for root. For root every owner is trusted, since containers have root use
    /// other users' directories.
    package static func trusts(_ userID: UInt32) -> Bool {
        if userID == 0 { return true }
        let own = CurrentProcess.userID
        return userID == own || own == 0
    }
}
