import KeeperProtocol
import TestSupport
import Testing
import UVLoop

/// Runs `body` with a home for keepers, and a control group; says that it was skipped where none can be made.
func withControlGroup(_ body: (KeeperHome, TestControlGroup) throws -> Void) throws {
    let isPossible = try TestControlGroup.with { group in try withKeeperHome { try body($0, group) } }
    if !isPossible { withKnownIssue("skipped: no control groups of version 2 can be made here") { Issue.record() } }
}

extension KeeperHome {
    func bus(_ behaviour: FakeBus.Behaviour) throws -> FakeBus {
        try FakeBus(behaviour, at: "\(base)/bus", on: loop)
    }

    /// Kills a keeper, and waits for its child's end.
    func kill(_ keeper: KeeperProcess) throws {
        let child = try #require(keeper.childPID)
        try keeper.send(.kill)
        try until("both have ended") {
            keeper.exitStatus != nil && Processes.liveness(of: child) == .gone
        }
    }
}

extension FakeBus {
    /// The variables of a keeper that finds this bus.
    func settings(_ policy: ScopePolicy = .auto) -> [String: String?] {
        ["PI_KEEPER_SCOPE": policy.rawValue, "DBUS_SYSTEM_BUS_ADDRESS": "unix:path=\(path)"]
    }
}

extension TestControlGroup {
    static let service = "test.service"

    /// A service manager that moves whoever asks into a new group below this one.
    var moving: FakeBus.Behaviour {
        .answers(FakeBus.systemd { unit, process in try move(process, to: unit) })
    }
}
