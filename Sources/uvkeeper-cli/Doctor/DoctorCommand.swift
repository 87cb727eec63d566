import ArgumentParser
import KeeperProtocol
import UVKeeper

struct DoctorCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Check that sessions can be kept here: libuv, sidecar, directory, limits.",
        discussion: """
            The command does what a session does, in the sessions directory itself and under temporary names: it \
            writes, locks and renames a file, binds a socket and connects to it, and starts the sidecar. A missing \
            directory is made. With PI_KEEPER_CGROUP it makes and removes groups there; controllers that limits need stay \
            enabled. Exits with 1 if something is in the way.
            """,
    )

    @OptionGroup var shared: SharedOptions

    func run() throws {
        try shared.withManager(refusesExposed: false) { manager, loop, done in
            manager.listKeepers { result in
                SidecarTrial.run(on: loop) { sidecar in
                    let group = ControlGroup.current
                    let judge = { (killMode: String?) in
                        let doctor = Doctor(
                            manager: manager, loop: loop, sessions: result, sidecar: sidecar, group: group,
                            killMode: killMode)
                        report(doctor.findings(), done)
                    }
                    guard let group else { return judge(nil) }
                    KillModeQuestion.ask(of: group, on: loop, judge)
                }
            }
        }
    }

    private func report(_ findings: [Doctor.Finding], _ done: (ExitCode) -> Void) {
        if shared.json {
            findings.forEach { Output.json($0) }
        } else {
            Output.table(
                ["CHECK", "STATE", "FOUND"], findings.map { [$0.check, $0.state.rawValue, $0.found] },
                rightAligned: [])
        }
        done(findings.contains { $0.state == .failed } ? .failure : .success)
    }
}
