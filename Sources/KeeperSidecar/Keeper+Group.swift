internal import KeeperProtocol
internal import UVLoop

/// The control group of a session: found or asked for before the child starts, since a child stays in its parent's
/// group.
extension Keeper {
    /// Gets the session a control group of its own, if one is wanted, and goes on with the start.
    func move(_ claim: SessionClaim) throws(KeeperFailure) {
        let current = ControlGroup.current
        place = .ofThisProcess(current)
        let settings = launch.settings
        guard settings.scope != .off else { return try start(claim) }
        if settings.scope == .require, settings.hasMalformedLimit {
            return goOn(claim, lacking: .limits, because: "a limit cannot be read, see above")
        }
        if let subtree = settings.controlGroup { return makeGroup(in: subtree, current, claim) }
        guard wantsScope(current) else { return try start(claim) }
        let manager = ServiceManager(userID: CurrentProcess.userID, .current, current)
        let request = ScopeRequest(
            session: launch.session, epoch: epoch,
            slice: manager.knowsGroup ? current?.slice : nil, limits: settings.limits)
        // With limits, the scope is wanted whatever the service's KillMode is; so it is below several services. Another
        // manager does not know the service.
        var service: String?
        if let services = current?.services, services.count == 1, settings.limits.isEmpty, manager.knowsGroup {
            service = services[0]
        }
        let move = ScopeMove(
            request, leaving: service, isRequired: settings.scope == .require, buses: manager.buses, on: loop
        ) { [unowned self] end in
            guard case .moving(let claim, let move) = state else { return }
            moved(end, isWithdrawn: move.isWithdrawing, to: request, by: manager, claim)
        }
        state = .moving(claim, move)
    }

    /// True if the keeper is in a unit that would take the session along, or limits it together with others: a service,
    /// or another session's scope. If the unit is unknown, a scope is asked for only if it is required.
    private func wantsScope(_ group: ControlGroup?) -> Bool {
        guard launch.settings.limits.isEmpty else { return true }
        switch group?.unit {
        case .service: return true
        case .scope where group?.isContainers == true: return launch.settings.scope == .require
        case .scope: return group?.isSessions == true
        case ControlGroup.Unit.none?, nil: return launch.settings.scope == .require
        }
    }

    private func moved(
        _ end: ScopeConversation.End, isWithdrawn: Bool, to request: ScopeRequest, by manager: ServiceManager,
        _ claim: SessionClaim,
    ) {
        let group = ControlGroup.current
        // The process's actual group counts, not the answer, which may also have come too late.
        place = .ofThisProcess(group)
        // A scope that was withdrawn is being stopped.
        if let group, !isWithdrawn, group.isInside(scope: request.unit) {
            launch.log.write("the session has a scope of its own: \(group.path)")
            self.group = SessionGroup(of: group, limits: launch.settings.limits)
            return goOn(claim, lacking: .limits, because: ineffectiveLimits)
        }
        switch end {
        case .notNeeded(let killMode):
            place = .ofThisProcess(group, killMode: killMode)
            launch.log.write("the service's KillMode is \(killMode): the session stays in \(place.controlGroup ?? "")")
            goOn(claim, because: nil)
        case .moved:
            mayBeMovedLate = true
            let found = place.controlGroup ?? "no group"
            goOn(claim, because: "the service manager says that it is in \(request.unit), and it is in \(found)")
        case .refused(let words):
            mayBeMovedLate = true
            goOn(claim, because: words + manager.advice)
        }
    }

    private func makeGroup(in subtree: String, _ current: ControlGroup?, _ claim: SessionClaim) {
        var reason: String?
        LeftGroups.removeFormer(of: launch.session.rawValue, in: subtree)
        do throws(SessionGroup.Failure) {
            let name = LeftGroups.name(launch.session.rawValue, epoch)
            group = try SessionGroup(in: subtree, name: name, limits: launch.settings.limits, group: current)
            place = .ofThisProcess(ControlGroup.current)
            launch.log.write("the session has a control group of its own: \(group?.path ?? "")")
        } catch {
            reason = "\(error)"
        }
        goOn(claim, because: reason)
    }

    private var ineffectiveLimits: String? {
        guard !launch.settings.limits.isEmpty else { return nil }
        guard let group else {
            guard let current = ControlGroup.current, current.isUnified, !current.isHybrid else {
                return "a host with cgroup version 1 cannot bound a session"
            }
            return
                "its scope is outside of the control groups that are seen from here (a cgroup namespace, or a part of "
                + "them mounted), so whether its limits hold is unknown"
        }
        let files = group.ineffectiveLimits
        guard !files.isEmpty else { return nil }
        return "this system cannot bound a session by \(files.joined(separator: ", ")): "
            + "its cgroup version 2 does not have the controllers"
    }

    /// The thing that a session should have and lacks, in the words of its log.
    private enum Lack: String {
        case group = "the session has no control group as it should"
        case limits = "the session is not bounded as it should be"
    }

    /// - Parameter reason: the reason why the session lacks something; nil if it lacks nothing.
    private func goOn(_ claim: SessionClaim, lacking lack: Lack = .group, because reason: String?) {
        do throws(KeeperFailure) {
            if let reason {
                guard launch.settings.scope == .auto else {
                    release(claim)
                    throw .badConfiguration("\(lack.rawValue): \(reason)")
                }
                launch.log.write("\(lack.rawValue), and goes on without: \(reason)")
            }
            try start(claim)
        } catch {
            fail(error)
        }
    }

    /// The session's place now. A service manager that was given up may have moved the keeper later, while the child,
    /// already started, stayed where it was: then the session ends with the service all the same.
    func currentPlace(_ session: Session) -> SessionPlace {
        guard mayBeMovedLate else { return place }
        let ofChild = SessionPlace.ofThisProcess(ControlGroup.of("\(session.child.process.pid)"))
        return SessionPlace(
            controlGroup: SessionPlace(ControlGroup.current).controlGroup,
            survivesServiceStop: ofChild.survivesServiceStop)
    }

    private static let memoryScoreFile = "/proc/self/oom_score_adj"
    /// The score that keepers get: nearly the lowest, as the system's own services have.
    private static let memoryScore = -900

    /// Makes the system kill other processes first when memory is short: once its keeper is gone, how a session ended
    /// is lost. Only root with CAP_SYS_RESOURCE may do that. Called after the child's start, since the child would
    /// inherit the score.
    func lowerMemoryScore() {
        guard launch.settings.scope != .off, CurrentProcess.userID == 0 else { return }
        do throws(UVError) {
            let text = String(decoding: try Files.read(Keeper.memoryScoreFile, limit: 16), as: UTF8.self)
            guard let score = Int(text.prefix { $0 != "\n" }), score > Keeper.memoryScore else { return }
            let file = try OpenFile(Keeper.memoryScoreFile, .append)
            defer { file.close() }
            try file.write(Array("\(Keeper.memoryScore)".utf8))
        } catch .accessDenied {
            // A container's root, without the capability.
        } catch {
            launch.log.write("cannot lower the keeper's score for the lack of memory: \(error)")
        }
    }
}
