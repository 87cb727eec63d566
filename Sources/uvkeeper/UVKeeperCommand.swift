import ArgumentParser
import KeeperSidecar
import UVKeeper

@main
struct UVKeeperCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "uvkeeper",
        abstract: "Keeps child processes and their stdin alive across restarts of the server that drives them.",
        discussion: """
            Each session has a keeper: a small process that spawned the session's child, owns its stdin, and forwards \
            every line written to the session's socket. Keepers are found by their files in one directory.

              uvkeeper spawn work -- my-agent --stdio     start a session
              uvkeeper send work '{"method":"ping"}'      write a line to its child's stdin
              uvkeeper send work < requests.jsonl         write every line of a file
              uvkeeper list                               what runs
              uvkeeper logs work --follow                 what happens
              uvkeeper kill work                          end it

            Exit status: 0 done; 1 not done (line refused, no such session, a check failed); 2 the outcome is unknown; \
            64 wrong usage.
            """,
        version: "\(KeeperSidecar.version)",
        subcommands: [
            SpawnCommand.self, SendCommand.self, ListCommand.self, KillCommand.self, LogsCommand.self,
            DoctorCommand.self,
        ],
    )

    static func main() {
        // A loop's descriptors in place of missing standard ones would be taken for them, and libuv aborts over it.
        Descriptors.openMissingStandardDescriptors()
        let arguments = (0..<Int(CommandLine.argc)).map { CommandLine.unsafeArgv[$0]! }
        guard arguments.allSatisfy({ String(validatingCString: $0) != nil }) else {
            // Swift would repair it, and a line would arrive as another than the one given.
            exit(
                withError: ValidationError(
                    "An argument is not valid UTF-8; a line of any bytes goes through the stdin of uvkeeper send"))
        }
        do {
            var command = try parseAsRoot()
            try command.run()
        } catch  where exitCode(for: error) == .validationFailure {
            // It quotes what was given.
            Descriptors.writeToStandardError(Output.printable(fullMessage(for: error)) + "\n")
            Processes.exit(ExitCode.validationFailure.rawValue)
        } catch {
            exit(withError: error)
        }
    }
}
