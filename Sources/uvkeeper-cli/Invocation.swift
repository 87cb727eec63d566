import ArgumentParser
import UVKeeper

/// The command line as it was given, and as the parser is to have it: what a user wants sent must never be taken for an
/// option, and no option for a line.
struct Invocation {
    /// This process's.
    static let current = Invocation(Array(ProgramArguments.current.dropFirst()))

    let arguments: [String]
    /// The arguments of the command that a session is started with. They go past the parser, which takes time that grows
    /// with the square of their number.
    let commandArguments: [String]

    /// - Parameter given: the arguments after the program's name.
    init(_ given: [String]) {
        let (options, rest) = Invocation.leadingOptions(of: given, Invocation.shared)
        guard let subcommand = rest.first, UVKeeperCommand.subcommandNames.contains(subcommand) else {
            arguments = given
            commandArguments = []
            return
        }
        let all = options + rest.dropFirst()
        let isSpawn = subcommand == SpawnCommand.name
        // The terminator and the executable stay.
        let end = isSpawn ? all.firstIndex(of: "--").map { min($0 + 2, all.count) } ?? all.count : all.count
        commandArguments = Array(all[end...])
        let withLine = Invocation.lineOptions[subcommand].map { Invocation.withLine(all, $0) }
        self.arguments = [subcommand] + (withLine ?? Array(all[..<end]))
    }

    /// True if one argument asks for words about the program; a parser takes any cluster of letters with an `h` in it for
    /// that, a text such as `- push the branch` included.
    var asksForHelp: Bool {
        guard arguments.first != "help" else { return true }
        let asking = ["-h", "--help", "--help-hidden", "--version", "--experimental-dump-help"]
        return options.contains { argument in
            asking.contains(argument) || argument.utf8.starts(with: "--generate-completion-script".utf8)
        }
    }

    /// What help is asked for and is not to be had: neither a subcommand, nor one alone. The parser passes over it.
    var unknownTopic: String? {
        guard arguments.first == "help" else { return nil }
        let topics = arguments.dropFirst().filter { $0.utf8.first != UInt8(ascii: "-") }
        guard let topic = topics.first, UVKeeperCommand.subcommandNames.contains(topic) || topic == "help" else {
            return topics.first
        }
        return topics.dropFirst().first
    }

    /// True if results, and errors, are wanted as JSON.
    var isJSON: Bool { options.contains("--json") }

    /// The first argument that could have been taken for a wish for help.
    var misread: String? { options.first { $0.utf8.first == UInt8(ascii: "-") && $0.utf8.count > 1 } }

    private var options: ArraySlice<String> { arguments.prefix { $0 != "--" } }

    // MARK: -

    /// Options by name, and whether a value follows.
    private typealias Names = [String: Bool]

    private static let shared: Names = ["--json": false, "--sessions-dir": true]
    /// The subcommands that take a line, and their options.
    private static let lineOptions: [String: Names] = [
        SendCommand.name: shared.merging(["--timeout": true, "--max-line": true]) { $1 },
        RequestCommand.name: shared.merging(["--timeout": true, "--id": true]) { $1 },
    ]

    /// Puts the options first and `--` before the session and the line.
    ///
    /// The argument after the session is the line, whatever it looks like; only if that would leave arguments that have no
    /// meaning, and taking it for an option does not, it is one. After the line come options.
    private static func withLine(_ arguments: [String], _ names: Names) -> [String] {
        let (options, rest) = leadingOptions(of: arguments, names)
        guard let session = rest.first, session == "-" || session.utf8.first != UInt8(ascii: "-") else {
            // None, an unknown option, or `--`, which needs nothing more.
            return arguments
        }
        let after = Array(rest.dropFirst())
        guard let line = after.first else { return options + ["--", session] }
        if line == "--" { return options + ["--", session] + after.dropFirst() }
        let behindLine = leadingOptions(of: Array(after.dropFirst()), names)
        if behindLine.rest.isEmpty { return options + behindLine.options + ["--", session, line] }
        let behindSession = leadingOptions(of: after, names)
        let left = behindSession.rest.first == "--" ? behindSession.rest.dropFirst() : behindSession.rest
        if !behindSession.options.isEmpty, left.count <= 1 {
            return options + behindSession.options + ["--", session] + left
        }
        return options + ["--", session] + after
    }

    private static func leadingOptions(
        of arguments: [String], _ names: Names
    ) -> (options: [String], rest: ArraySlice<String>) {
        var index = 0
        while index < arguments.count {
            let argument = arguments[index]
            let name = argument.utf8.firstIndex(of: UInt8(ascii: "=")).map { String(argument[..<$0]) } ?? argument
            guard let takesValue = names[name], takesValue || name == argument else { break }
            let length = takesValue && name == argument ? 2 : 1
            guard index + length <= arguments.count else { break }
            index += length
        }
        return (Array(arguments[..<index]), arguments[index...])
    }
}
