internal import KeeperProtocol
internal import UVLoop

/// The control group of a session: found, or asked for, before its child starts, since a child stays where its parent was.
extension Keeper {
    /// Sees to a control group of the session's own, if one is wanted, and goes on with the start.
    func move(_ claim: SessionClaim) throws(KeeperFailure) {
        let current = Keeper.controlGroup
        place = SessionPlace(current)
        let settings = launch.settings
        guard settings.scope != .off else { return try start(claim) }
        if let subtree = settings.controlGroup { return try makeGroup(in: subtree, current, claim) }
        guard let service = unitToLeave(current) else { return try start(claim) }
        let request = ScopeRequest(
            session: launch.session, epoch: epoch, pid: CurrentProcess.id, slice: current?.slice,
            limits: settings.limits)
        let bus = ScopeMove.bus(
            for: CurrentProcess.userID, runtimeDirectory: ProcessEnvironment.current["XDG_RUNTIME_DIR"])
        // With limits the scope is wanted whatever the service does.
        let asked = settings.limits.isEmpty ? service : nil
        let move = ScopeMove(request, leaving: asked, bus: bus, on: loop) { [unowned self] end in
            guard case .moving(let claim, _) = state else { return }
            moved(end, to: request, claim)
        }
        state = .moving(claim, move)
    }

    private static var controlGroup: ControlGroup? {
        do throws(UVError) {
            return ControlGroup(String(decoding: try Files.read("/proc/self/cgroup", limit: 4096), as: UTF8.self))
        } catch {
            // No `/proc`, or a system without control groups.
            return nil
        }
    }

    /// The unit that would take the session along, or bounds it together with others: a service, or another session's scope. Nil
    /// if the keeper can stay.
    private func unitToLeave(_ group: ControlGroup?) -> String? {
        switch group?.unit {
        case .service(let name): name
        case .scope(let name) where group?.isSessions == true || !launch.settings.limits.isEmpty: name
        case .scope, ControlGroup.Unit.none?, nil: launch.settings.limits.isEmpty ? nil : ""
        }
    }

    private func moved(_ end: ScopeConversation.End, to request: ScopeRequest, _ claim: SessionClaim) {
        var reason: String?
        switch end {
        case .notNeeded(let killMode):
            place = SessionPlace(Keeper.controlGroup, killMode: killMode)
            launch.log.write("the service's KillMode is \(killMode): the session stays in \(place.controlGroup ?? "")")
        case .moved:
            let group = Keeper.controlGroup
            place = SessionPlace(group)
            // Where the process is counts, not what was answered.
            if let group, group.unit == .scope(request.unit) {
                launch.log.write("the session has a scope of its own: \(group.path)")
                self.group = SessionGroup(of: group)
                reason = ineffectiveLimits
            } else {
                reason = "the service manager says that it is in \(request.unit), and it is in \(group?.path ?? "none")"
            }
        case .refused(let words): reason = words
        }
        goOn(claim, without: reason)
    }

    private func makeGroup(in subtree: String, _ current: ControlGroup?, _ claim: SessionClaim) throws(KeeperFailure) {
        var reason: String?
        do throws(SessionGroup.Failure) {
            group = try SessionGroup(
                in: subtree, name: "\(ScopeRequest.prefix)\(launch.session)-\(epoch)", limits: launch.settings.limits,
                group: current)
            place = SessionPlace(Keeper.controlGroup)
            launch.log.write("the session has a control group of its own: \(group?.path ?? "")")
        } catch {
            reason = "\(error)"
        }
        state = .starting
        goOn(claim, without: reason)
    }

    private var ineffectiveLimits: String? {
        let files = group?.ineffective(launch.settings.limits) ?? []
        guard !launch.settings.limits.isEmpty, group == nil || !files.isEmpty else { return nil }
        return "this system cannot bound a session by \(files.joined(separator: ", ")): "
            + "cgroup version 2 does not have the controllers"
    }

    /// - Parameter reason: why the session has not what it should have; nil if it has.
    private func goOn(_ claim: SessionClaim, without reason: String?) {
        do throws(KeeperFailure) {
            if let reason {
                guard launch.settings.scope == .auto else {
                    release(claim)
                    throw .badConfiguration("the session has no control group as it should: \(reason)")
                }
                launch.log.write("the session has no control group as it should, and goes on without: \(reason)")
            }
            try start(claim)
        } catch {
            fail(error)
        }
    }

    /// When memory is short, the system kills others first: without its keeper nobody can tell how a session ended. Only root may
    /// do that. After the child's start, since it would inherit the score.
    func lowerMemoryScore() {
        guard launch.settings.scope != .off, CurrentProcess.userID == 0 else { return }
        do throws(UVError) {
            let file = try OpenFile("/proc/self/oom_score_adj", .append)
            defer { file.close() }
            try file.write(Array("-900".utf8))
        } catch {
            launch.log.write("cannot lower the keeper's score for the lack of memory: \(error)")
        }
    }
}
