package import KeeperProtocol

/// A trial of a delegated control group (`PI_KEEPER_CGROUP`), for `uvkeeper doctor`.
package enum GroupTrial {
    /// Makes a group with limits in a delegated one, moves this process there and back, and removes it, as a keeper does
    /// at its start and at its end.
    ///
    /// - Returns: the reason why a session could not have a group there; nil if it could.
    package static func refusal(in subtree: String, _ limits: SessionLimits) -> String? {
        let name = LeftGroups.name("doctor", SessionRecord.epoch(random: .random(in: .min ... .max)))
        do throws(SessionGroup.Failure) {
            try SessionGroup(in: subtree, name: name, limits: limits, group: ControlGroup.current).remove()
            return nil
        } catch {
            return "\(error)"
        }
    }
}
