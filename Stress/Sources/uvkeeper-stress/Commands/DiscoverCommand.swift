import ArgumentParser
import UVKeeper

/// The process that discovers, for `chaos`, while keepers start.
struct DiscoverCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "discover", shouldDisplay: false)

    @Option var directory: String
    @Option var kind = Discoverer.Kind.honest

    func run() throws { try Discoverer(RunDirectory(directory: directory), kind).run() }
}

extension Discoverer.Kind: ExpressibleByArgument {}
