import ArgumentParser
import UVKeeper

struct DoctorCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Check that sessions can be kept here: libuv, sidecar, directory, limits.",
        discussion: "Exits with 1 if something is in the way. Makes the sessions directory if it is missing.",
    )

    @OptionGroup var shared: SharedOptions

    func run() throws {
        try shared.run { manager, loop, done in
            manager.listKeepers { result in
                let doctor = Doctor(manager: manager, sessions: result)
                let findings = doctor.findings()
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
    }
}
