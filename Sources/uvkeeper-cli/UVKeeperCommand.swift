import ArgumentParser
import KeeperSidecar
import UVKeeper

@main
struct UVKeeperCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "uvkeeper",
        abstract: "Keeps child processes and their stdin alive across restarts of the server that drives them.",
        discussion: """
            Each session has a keeper: a small process that spawned the session's child, owns its stdin, stdout and stderr, \
            forwards every line that is sent to the session, and keeps what the child answers. Keepers are found by their \
            files in one directory.

              uvkeeper spawn work -- my-agent --stdio     start a session
              uvkeeper send work '{"method":"ping"}'      write a line to its child's stdin
              uvkeeper send work < requests.jsonl         write every line of a file
              uvkeeper read work                          what it has written
              uvkeeper request work '{"id":1,...}'        send a line and print the answer
              uvkeeper attach work                        lines in, output out
              uvkeeper list                               what runs
              uvkeeper status work                        what it is doing
              uvkeeper logs work --follow                 what its keeper says
              uvkeeper wait work                          until it ends; exits as it did
              uvkeeper kill work                          end it

            Exit status: 0 done; 1 not done (line refused, no such session, a check failed); 2 the outcome is unknown; \
            64 wrong usage. request, attach, status and wait have more: see their help.
            """,
        version: "\(KeeperSidecar.version)",
        subcommands: [
            SpawnCommand.self, SendCommand.self, RequestCommand.self, ReadCommand.self, AttachCommand.self,
            ListCommand.self, StatusCommand.self, WaitCommand.self, EOFCommand.self, SignalCommand.self,
            LabelCommand.self,
            KillCommand.self, LogsCommand.self, PruneCommand.self, DoctorCommand.self, ExportCommand.self,
        ],
    )

    static let subcommandNames = configuration.subcommands.compactMap { $0.configuration.commandName }

    static func main() {
        // If standard descriptors were missing, a loop's own could take their numbers, and libuv aborts over that.
        // A report that has no stdout is a report that could not be written.
        StandardStreams.openMissing(failsOutput: true)
        do throws(UVError) {
            // A reader that has gone makes the write fail; the exit status still tells what was done.
            try Signal.brokenPipe.ignore()
            // A limit on the size of files is handled the same way; programs started from here get the default back.
            try Signal.fileSizeExceeded.ignore()
            // Ctrl-\ ends a command, like any other's.
            try Signal.quit.restoreDefault()
        } catch {
            preconditionFailure("the actions of the three can be changed: \(error)")
        }
        let invocation = Invocation.current
        guard !invocation.arguments.isEmpty else {
            end(invocation, ValidationError("There is no subcommand"), helpMessage() + "\n")
        }
        if let topic = invocation.unknownTopic {
            let error = ValidationError("There is no help for '\(topic)'; help takes one subcommand, or nothing")
            end(invocation, error, fullMessage(for: error) + "\n")
        }
        do {
            var command = try parseAsRoot(invocation.arguments)
            try command.run()
            finish(ExitCode.success)
        } catch let code as ExitCode {
            finish(code)
        } catch  where exitCode(for: error) == .success && invocation.asksForHelp {
            Output.text(fullMessage(for: error))
            finish(.success)
        } catch  where exitCode(for: error) == .success {
            let misread = invocation.misread ?? ""
            let error = ValidationError("Unknown option '\(misread)'; help is printed for -h and --help alone")
            end(invocation, error, fullMessage(for: error) + "\n")
        } catch {
            end(invocation, error, fullMessage(for: error) + "\n")
        }
    }

    /// Reports an error that no subcommand has reported itself, wrong usage above all, and ends.
    private static func end(_ invocation: Invocation, _ error: any Error, _ text: String) -> Never {
        // The message quotes arguments of the user.
        StandardStreams.writeError(Output.printable(text))
        if invocation.isJSON { Output.json(["error": message(for: error)]) }
        let code = exitCode(for: error)
        finish(code == .success ? .failure : code)
    }

    private static func finish(_ code: ExitCode) -> Never {
        let isWritten = Output.flush()
        CurrentProcess.exit(code == .success && !isWritten ? ExitCode.failure.rawValue : code.rawValue)
    }
}
