import KeeperProtocol
import KeeperSidecar
import UVKeeper

/// The control group that a session started from here would have, and its limits, by the variables of this environment.
extension Doctor {
    private var settings: KeeperSettings {
        KeeperSettings(
            environment: ProcessEnvironment.current.variables.filter { KeeperVariable.ofGroup.contains($0.key) })
    }

    /// The policy of a session; a manager sets `auto` if the variable is not set.
    private var policy: ScopePolicy {
        ProcessEnvironment.current[KeeperVariable.scope]?.isEmpty ?? true ? .auto : settings.scope
    }

    /// The state of a finding because of which a session would go on without something, or not be started.
    private var lacking: Finding.State { policy == .require ? .failed : .warning }

    /// The place of a session started from here.
    var service: Finding {
        let check = "service"
        guard let group else { return Finding(check, .ok, "no control groups here: a session ends with nobody") }
        if let subtree = settings.controlGroup, policy != .off { return delegated(check, subtree) }
        let place = SessionPlace(group, killMode: killMode)
        let words = "\(group.path): " + (PlaceText.words(.ofThisProcess(group, killMode: killMode)) ?? "")
        let isWanted =
            place.survivesServiceStop == false || policy != .off && !settings.limits.isEmpty
            || policy == .require && place.survivesServiceStop == nil
        guard isWanted else { return Finding(check, words.contains("enable-linger") ? .warning : .ok, words) }
        guard policy != .off else {
            return Finding(check, .warning, "\(words). \(KeeperVariable.scope) is off in this environment")
        }
        let manager = ServiceManager(userID: CurrentProcess.userID, .current, group)
        // A connection is made and closed again; only a start can tell what the manager answers.
        let bus = manager.buses.first { if case .accepting = SocketProbe($0) { true } else { false } }
        guard let bus else {
            let states = manager.buses.map { Files.exists($0) ? "nobody answers at \($0)" : "\($0) is missing" }
            let state = states.joined(separator: ", ")
            return Finding(check, lacking, "\(words). No service manager can be asked: \(state)\(manager.advice)")
        }
        let unit = group.services.first ?? group.path
        return Finding(check, .ok, "in \(unit): a session asks the manager at \(bus) for a scope of its own")
    }

    private func delegated(_ check: String, _ name: String) -> Finding {
        guard name.hasPrefix("/") else {
            return Finding(check, lacking, "\(KeeperVariable.controlGroup): '\(name)' is no absolute path")
        }
        // A symbolic link says nothing about the services that its group is below. What is missing is the trial's to tell.
        let subtree: String
        do throws(UVError) { subtree = try Files.realPath(of: name) } catch { subtree = name }
        if let reason = GroupTrial.refusal(in: subtree, settings.limits) {
            return Finding(check, lacking, "\(KeeperVariable.controlGroup): a session gets no group there: \(reason)")
        }
        let services = ControlGroup("0::\(subtree)\n")?.services ?? []
        let end = services.isEmpty ? "" : "; it ends with \(services.joined(separator: " or "))"
        return Finding(
            check, services.isEmpty ? .ok : .warning, "\(subtree): a session gets a group of its own there\(end)")
    }

    /// The limits of a session started from here; no finding if there are none.
    var limits: [Finding] {
        let check = "limits"
        let settings = settings
        guard settings.warnings.isEmpty else {
            let state = settings.hasMalformedLimit ? lacking : .warning
            return [Finding(check, state, settings.warnings.joined(separator: "; "))]
        }
        guard !settings.limits.isEmpty else { return [] }
        let words = settings.limits.environment.map { "\($0.name)=\($0.value)" }.joined(separator: " ")
        let missing = settings.limits.controllers.filter { !controllers.contains($0) }
        guard missing.isEmpty else {
            let found = "cgroup version 2 does not have the controllers \(missing.joined(separator: ", ")) here"
            return [Finding(check, lacking, "\(words): \(found)")]
        }
        return [Finding(check, .ok, words)]
    }

    /// The controllers of this system's cgroup version 2.
    private var controllers: [String] {
        guard let root = LeftGroups.root else { return [] }
        do {
            return String(decoding: try Files.read("\(root)/cgroup.controllers", limit: 4096), as: UTF8.self)
                .split { $0 == " " || $0 == "\n" }.map(String.init)
        } catch {
            return []
        }
    }
}
