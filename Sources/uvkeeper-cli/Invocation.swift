import ArgumentParser
import UVKeeper

/// The command line as given, rearranged for the parser: a text to be sent must never be taken for an option, and no
/// option for a line.
struct Invocation {
    /// The invocation of this process.
    static let current = Invocation(Array(ProgramArguments.current.dropFirst()))

    let arguments: [String]
    /// The arguments of the command that a session is started with. The parser does not see them, since its time grows
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
        // The terminator and the executable are left to the parser.
        let end = isSpawn ? all.firstIndex(of: "--").map { min($0 + 2, all.count) } ?? all.count : all.count
        commandArguments = Array(all[end...])
        let withLine = Invocation.lineOptions[subcommand].map { Invocation.withLine(all, $0) }
        self.arguments = [subcommand] + (withLine ?? Array(all[..<end]))
    }

    /// True if an argument asks for help, or a shell for completions. A parser takes any cluster of letters with an `h` in it for that, even a text
    /// such as `- push the branch`.
    var asksForHelp: Bool {
        guard arguments.first != "help", arguments.first != "---completion" else { return true }
        let asking = ["-h", "--help", "--help-hidden", "--version", "--experimental-dump-help"]
        return options.contains { argument in
            asking.contains(argument) || argument.utf8.starts(with: "--generate-completion-script".utf8)
        }
    }

    /// The unknown topic that help is asked for, which the parser would ignore: no subcommand, or more than one; nil if
    /// there is none.
    var unknownTopic: String? {
        guard arguments.first == "help" else { return nil }
        let topics = arguments.dropFirst().filter { $0.utf8.first != UInt8(ascii: "-") }
        guard let topic = topics.first, UVKeeperCommand.subcommandNames.contains(topic) || topic == "help" else {
            return topics.first
        }
        return topics.dropFirst().first
    }

    /// True if results and errors are wanted as JSON.
    var isJSON: Bool { options.contains("--json") }

    /// The first argument that could have been mistaken for a request for help.
    var misread: String? { options.first { $0.utf8.first == UInt8(ascii: "-") && $0.utf8.count > 1 } }

    private var options: ArraySlice<String> { arguments.prefix { $0 != "--" } }

    // MARK: -

    /// Options by name; true if a value follows.
    private typealias Names = [String: Bool]

    private static let shared: Names = ["--json": false, "--sessions-dir": true]
    /// The subcommands that take a line, and their options.
    private static let lineOptions: [String: Names] = [
        SendCommand.name: shared.merging(["--timeout": true, "--max-line": true]) { $1 },
        RequestCommand.name: shared.merging(["--timeout": true, "--id": true]) { $1 },
    ]

    /// Puts the options first and `--` before the session and the line.
    ///
    /// The argument after the session is the line, whatever it looks like. An argument there is an option only if
    /// arguments without a meaning would be left otherwise, and none are left this way. Options may also come after the
    /// line.
    private static func withLine(_ arguments: [String], _ names: Names) -> [String] {
        let (options, rest) = leadingOptions(of: arguments, names)
        guard let session = rest.first, session == "-" || session.utf8.first != UInt8(ascii: "-") else {
            // There is no session, or an unknown option, or `--`, after which all is clear.
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
