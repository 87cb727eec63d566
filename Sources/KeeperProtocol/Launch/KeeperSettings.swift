internal import UVLoop

/// The settings that a keeper reads from its environment.
///
/// Bad values never stop a keeper: each is replaced by its default, and values that the original warns about leave a
/// text in ``warnings`` for the log. Mirrors the head of the original's `keeper.cjs`.
public struct KeeperSettings: Hashable, Sendable {
    /// The child's executable and leading arguments; never empty, and the executable's name is not empty either.
    ///
    /// `["pi"]`, found on `PATH`, if the variable is unset, empty or malformed.
    public var command: [String]

    /// The child's remaining arguments; `["--mode", "rpc"]` if the variable is unset, empty or malformed. `[]` means
    /// none.
    public var arguments: [String]

    /// True if the child's output goes to the keeper's log; only the exact value `1` turns it on.
    public var capturesOutput: Bool

    /// The size in bytes at which the keeper's log is cut; at least 1.
    public var logMaximumBytes: Int

    /// The interval at which that size is checked; at least 1 ms.
    public var logCheckInterval: Duration

    /// The longest line accepted, in bytes, newline included; at least 1.
    public var maximumLineLength: Int

    /// The steps of a stop by a plain SIGTERM: the time a child has after the end of its input, and after SIGTERM; nil
    /// for a step that is not set.
    public var stopLadder: StopLadder

    /// True if processes that a child leaves behind when it ends by itself are ended too; only the exact value `1`
    /// turns it on.
    public var sweeps: Bool

    /// The bytes of each of the child's streams that are kept; 0 for none, else at least ``smallestOutput``.
    public var outputMaximumBytes: Int

    /// The session's labels.
    public var labels: SessionLabels

    /// False if the record has no command: the arguments may hold keys, and the record outlives the process.
    public var recordsCommand: Bool

    /// The policy by which the keeper leaves the control group of the service that started it; if unset, the keeper
    /// leaves only if a control group or limits are set.
    public var scope: ScopePolicy

    /// The limits on the session's use of the machine.
    public var limits: SessionLimits
    /// True if a variable of a limit could not be read: a session that requires its group does not start without it.
    public var hasMalformedLimit: Bool

    /// The directory of a control group delegated to the keeper; nil if there is none.
    public var controlGroup: String?

    /// The least that is kept of a stream, in bytes, if anything is: as much as one message carries.
    public static let smallestOutput = 65_536

    /// The longest line, in bytes: the channel has no larger numbers.
    private static let longestLine = 999_999_999_999_999

    /// Texts for the log about values that were ignored, in the words of the original; usually empty.
    public var warnings: [String]

    /// Reads the settings from `environment`; never fails.
    ///
    /// A command or argument list is malformed if it is not a JSON array of strings, or if a string in it contains NUL
    /// (no program can receive one); a command also if it is `[]` or its name is empty. Numbers are ASCII digits only,
    /// greater than 0 and within `Int`; any other number silently becomes the default, as in the original.
    public init(environment: [String: String]) {
        var warnings: [String] = []
        let command = Self.strings(KeeperVariable.command, in: environment, warnings: &warnings) {
            $0.first?.isEmpty == false
        }
        self.command = command ?? KeeperConstants.defaultCommand
        let arguments = Self.strings(KeeperVariable.arguments, in: environment, warnings: &warnings) { _ in true }
        self.arguments = arguments ?? KeeperConstants.defaultArguments
        capturesOutput = environment[KeeperVariable.captureOutput] == "1"
        logMaximumBytes =
            Self.positive(environment[KeeperVariable.logMaximumBytes]) ?? KeeperConstants.defaultLogMaximumBytes
        logCheckInterval =
            Self.positive(environment[KeeperVariable.logCheckInterval]).map { .milliseconds($0) }
            ?? KeeperConstants.defaultLogCheckInterval
        maximumLineLength = min(
            Self.positive(environment[KeeperVariable.maximumLineLength]) ?? KeeperConstants.defaultMaximumLineLength,
            Self.longestLine)
        stopLadder = StopLadder(
            endOfInput: Self.milliseconds(environment[KeeperVariable.stopEndOfInput]),
            terminate: Self.milliseconds(environment[KeeperVariable.stopTerminate]))
        sweeps = environment[KeeperVariable.sweep] == "1"
        let outputMaximumBytes = Self.positive(environment[KeeperVariable.outputMaximumBytes])
        self.outputMaximumBytes = outputMaximumBytes.map { max($0, Self.smallestOutput) } ?? 0
        recordsCommand = environment[KeeperVariable.recordCommand] != "0"
        labels = Self.labels(environment[KeeperVariable.labels], warnings: &warnings)
        let warningCount = warnings.count
        limits = SessionLimits(environment, warnings: &warnings)
        hasMalformedLimit = warnings.count > warningCount
        controlGroup = environment[KeeperVariable.controlGroup].flatMap { $0.isEmpty ? nil : $0 }
        let isWanted = controlGroup != nil || !limits.isEmpty
        let scope = Self.scope(environment[KeeperVariable.scope], warnings: &warnings)
        self.scope = scope ?? (isWanted ? .auto : .off)
        if self.scope == .off, isWanted {
            warnings.append("limits need a control group: \(KeeperVariable.scope) is off")
        }
        self.warnings = warnings
    }

    /// The variables a server adds to a keeper's environment so that the keeper reads these values.
    ///
    /// A variable is left out if its absence means the same: an empty or default command, default arguments, no
    /// capture. Empty arguments are sent as `[]`. The server must therefore first remove every variable that begins
    /// with ``KeeperVariable/keeperPrefix`` from the environment it adds these to. Strings with NUL are encoded too,
    /// and refused by the keeper.
    public static func environment(
        command: [String],
        arguments: [String],
        capturesOutput: Bool
    ) -> [(name: String, value: String)] {
        var variables: [(name: String, value: String)] = []
        if !command.isEmpty, command != KeeperConstants.defaultCommand {
            variables.append((KeeperVariable.command, JSONStringArray.encode(command)))
        }
        if arguments != KeeperConstants.defaultArguments {
            variables.append((KeeperVariable.arguments, JSONStringArray.encode(arguments)))
        }
        if capturesOutput {
            variables.append((KeeperVariable.captureOutput, "1"))
        }
        return variables
    }

    /// The child's environment, made from the keeper's: without every `PI_KEEPER_*`, and with `PI_DASHBOARD_SPAWNED=1`.
    ///
    /// `entries` are raw `NAME=value` bytes without NUL. The remaining ones keep their bytes, valid UTF-8 or not, and
    /// their order; an existing `PI_DASHBOARD_SPAWNED` is replaced by the one at the end. Names are compared byte by
    /// byte.
    public static func childEnvironment(from entries: [[UInt8]]) -> [[UInt8]] {
        let spawned = Array("\(KeeperVariable.spawned)=".utf8)
        var result = entries.filter { entry in
            !entry.starts(with: KeeperVariable.keeperPrefix.utf8)
                && !entry.starts(with: spawned) && entry != spawned.dropLast()
        }
        result.append(spawned + "1".utf8)
        return result
    }

    /// The JSON array in a variable; nil if there is no usable one, with a warning unless the variable is unset or
    /// empty.
    private static func strings(
        _ name: String,
        in environment: [String: String],
        warnings: inout [String],
        where isUsable: ([String]) -> Bool
    ) -> [String]? {
        guard let text = environment[name], !text.isEmpty else { return nil }
        guard
            let strings = JSONStringArray.decode(text),
            strings.allSatisfy({ !$0.utf8.contains(0) }),
            isUsable(strings)
        else {
            warnings.append("ignoring malformed \(name)")
            return nil
        }
        // The text is taken literally: a character that elsewhere stands for a raw byte means itself here.
        return strings.map { RawText.isPlain($0) ? $0 : RawText.string(Array($0.utf8)) }
    }

    private static func labels(_ text: String?, warnings: inout [String]) -> SessionLabels {
        guard let text, !text.isEmpty else { return [:] }
        do {
            return try SessionLabels.of(try JSONValue(Array(text.utf8)))
        } catch {
            warnings.append("ignoring unusable \(KeeperVariable.labels): \(error)")
            return [:]
        }
    }

    private static func scope(_ text: String?, warnings: inout [String]) -> ScopePolicy? {
        guard let text, !text.isEmpty else { return nil }
        if let policy = ScopePolicy(rawValue: text) { return policy }
        warnings.append("ignoring malformed \(KeeperVariable.scope)")
        return nil
    }

    private static func positive(_ text: String?) -> Int? {
        number(text).flatMap { $0 > 0 ? $0 : nil }
    }

    private static func milliseconds(_ text: String?) -> Duration? {
        number(text).map { .milliseconds(min($0, 1 << 40)) }
    }

    private static func number(_ text: String?) -> Int? {
        // `Int.init` alone would also take a sign.
        guard let text, text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else {
            return nil
        }
        return Int(text)
    }
}
