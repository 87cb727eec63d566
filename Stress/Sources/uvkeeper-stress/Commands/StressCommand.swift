import ArgumentParser
import KeeperSidecar
import UVKeeper

@main
struct StressCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "uvkeeper-stress",
        abstract: "Tries to make UVKeeper lose a line or a byte of output, and counts what was lost.",
        discussion: """
            Embeds UVKeeper on one loop, as a server would, with real keepers and real children. Every line carries its \
            writer, a sequence number and a checksum; the children check them and note every line received, also when \
            they are killed. At the end that is compared with what the writers were told.

            Invariants:
              - a line reported written, which its keeper has acknowledged, arrives exactly once, whole, in order, unless \
            its child was killed
              - a refused line never arrives; a line that was handed over to the raw socket does, while its keeper lives
              - whatever connections and servers end: nothing that waits for its session is unknown while that lives
              - a last line without a newline arrives with one, if its client ends the stream in order
              - a refusal or an unknown outcome occurs only where a fault explains it, or the load's own limit
              - every line has one completion
              - what a reader of output gets and the gaps it is told of tile the stream from where it began: no byte twice, none \
            left out, each the one of its offset, none that the child did not write
              - a gap is of bytes older than what is kept, or of bytes that a fault has kept from the disk
              - who follows has all when the session ends, up to the end that its record names: what the child's pipe took
              - the loop is never blocked for longer than a bound (--lag-bound)
              - a start of a keeper fails only where a fault explains it; a discovery beside it takes no file of the new one
              - a keeper that ends in order leaves no file and no process, and what is told of the end is what its record says
              - at the end no process, file, descriptor or handle is left, and in a soak nothing has kept growing

            Exit status: 0 all hold; 1 one is broken, and the command that does it again is printed; 2 all hold, but the \
            run ended early: by a signal, for want of room, or since a writer has sent all lines that can be checked; 64 \
            wrong usage; 70 the harness itself cannot go on.
            """,
        version: KeeperSidecar.version,
        subcommands: [
            WritesCommand.self, SpawnCommand.self, RestartCommand.self, ChaosCommand.self, SoakCommand.self,
            MergeCommand.self, ServeCommand.self, DiscoverCommand.self,
        ],
    )

    /// The program is its own keeper, child and faulty stand-ins, so that a test machine needs only one file.
    static func main() {
        KeeperSidecar.runIfRequested()
        VerifyingChild.runIfRequested(CommandLine.arguments)
        FaultyKeeper.runIfRequested(CommandLine.arguments)
        do {
            var command = try parseAsRoot()
            try command.run()
        } catch let error as StressError {
            StandardStreams.writeError("Error: \(error)\n")
            CurrentProcess.exit(70)
        } catch {
            exit(withError: error)
        }
    }
}
