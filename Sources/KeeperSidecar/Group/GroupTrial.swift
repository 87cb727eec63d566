package import KeeperProtocol

/// A trial of a delegated control group (`PI_KEEPER_CGROUP`), for `uvkeeper doctor`.
package enum GroupTrial {
    /// Makes a group with limits in a delegated one, and another without, into which it moves this process and back: limits
    /// that a keeper can live with may be too low for this process. Removes both. Controllers that had to be enabled for
    /// the limits stay enabled, as after a session: another one may need them by now.
    ///
    /// - Returns: the reason why a session could not have a group there; nil if it could.
    package static func refusal(in subtree: String, _ limits: SessionLimits) -> String? {
        let name = LeftGroups.name("doctor", SessionRecord.epoch(random: .random(in: .min ... .max)))
        let group = ControlGroup.current
        do throws(SessionGroup.Failure) {
            try SessionGroup(in: subtree, name: name, limits: limits, group: group, isEntered: false).remove()
            try SessionGroup(in: subtree, name: name, limits: SessionLimits(), group: group).remove()
            return nil
        } catch {
            return "\(error)"
        }
    }
}
