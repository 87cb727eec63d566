import KeeperProtocol
import Testing

@Suite("Keeper settings")
struct KeeperSettingsTests {
    @Test("An empty environment gives the defaults and no warning")
    func defaults() {
        let settings = KeeperSettings(environment: [:])
        #expect(settings.command == ["pi"])
        #expect(settings.arguments == ["--mode", "rpc"])
        #expect(!settings.capturesOutput)
        #expect(settings.logMaximumBytes == 134_217_728)
        #expect(settings.logCheckInterval == .milliseconds(5000))
        #expect(settings.maximumLineLength == 16_777_216)
        #expect(settings.warnings == [])
    }

    @Test("Every variable is read")
    func readsAll() {
        let settings = KeeperSettings(environment: [
            "PI_KEEPER_PI_CMD": #" ["node", "C:\\cli.js"] "#,
            "PI_KEEPER_PI_ARGS": #"["--mode","rpc","a b",""]"#,
            "PI_KEEPER_CAPTURE_PI_OUTPUT": "1",
            "PI_KEEPER_LOG_MAX_BYTES": "65536",
            "PI_KEEPER_LOG_CHECK_INTERVAL_MS": "250",
            "PI_KEEPER_MAX_LINE_BYTES": "1",
        ])
        #expect(settings.command == ["node", #"C:\cli.js"#])
        #expect(settings.arguments == ["--mode", "rpc", "a b", ""])
        #expect(settings.capturesOutput)
        #expect(settings.logMaximumBytes == 65536)
        #expect(settings.logCheckInterval == .milliseconds(250))
        #expect(settings.maximumLineLength == 1)
        #expect(settings.warnings == [])
    }

    @Test("A missing or empty command is pi, without a warning", arguments: ["", nil])
    func emptyCommand(text: String?) {
        let settings = KeeperSettings(environment: text.map { ["PI_KEEPER_PI_CMD": $0] } ?? [:])
        #expect(settings.command == ["pi"])
        #expect(settings.warnings == [])
    }

    @Test(
        "A malformed command is pi, with the warning of the original",
        arguments: [
            "not json", " ", "[]", " [ ] ", "pi", #""pi""#, "{}", "null", "[1]", #"["pi",null]"#, #"["pi",]"#,
            #"[["pi"]]"#, #"[""]"#,
            #"["","x"]"#, #"["a\u0000b"]"#, #"["pi","\u0000"]"#, #"["\ud800"]"#, #"["pi"] x"#,
        ]
    )
    func malformedCommand(text: String) {
        let settings = KeeperSettings(environment: ["PI_KEEPER_PI_CMD": text])
        #expect(settings.command == ["pi"])
        #expect(settings.warnings == ["ignoring malformed PI_KEEPER_PI_CMD"])
    }

    @Test("Malformed arguments are the default, with a warning", arguments: ["x", "{}", "[1]", #"["\u0000"]"#, "[,]"])
    func malformedArguments(text: String) {
        let settings = KeeperSettings(environment: ["PI_KEEPER_PI_ARGS": text])
        #expect(settings.arguments == ["--mode", "rpc"])
        #expect(settings.warnings == ["ignoring malformed PI_KEEPER_PI_ARGS"])
    }

    @Test("Empty arguments mean none, an empty variable means the default")
    func emptyArguments() {
        #expect(KeeperSettings(environment: ["PI_KEEPER_PI_ARGS": "[]"]).arguments == [])
        #expect(KeeperSettings(environment: ["PI_KEEPER_PI_ARGS": ""]).arguments == ["--mode", "rpc"])
        #expect(KeeperSettings(environment: ["PI_KEEPER_PI_ARGS": #"[""]"#]).arguments == [""])
    }

    @Test("Both warnings come in order, command first")
    func bothWarnings() {
        let settings = KeeperSettings(environment: ["PI_KEEPER_PI_ARGS": "x", "PI_KEEPER_PI_CMD": "x"])
        #expect(
            settings.warnings == ["ignoring malformed PI_KEEPER_PI_CMD", "ignoring malformed PI_KEEPER_PI_ARGS"]
        )
    }

    @Test("Only the exact value 1 captures output", arguments: ["", "0", "true", "yes", " 1", "1 ", "11", "01"])
    func capturesOnlyOnOne(text: String) {
        #expect(!KeeperSettings(environment: ["PI_KEEPER_CAPTURE_PI_OUTPUT": text]).capturesOutput)
    }

    @Test(
        "A number that is not a positive decimal integer falls back in silence",
        arguments: [
            "", "0", "000", "-1", "+1", "1.5", "1e3", "0x10", " 1", "1 ", "abc", "12a", "9223372036854775808", "１",
            "99999999999999999999999999",
        ]
    )
    func badNumbers(text: String) {
        let settings = KeeperSettings(environment: [
            "PI_KEEPER_LOG_MAX_BYTES": text,
            "PI_KEEPER_LOG_CHECK_INTERVAL_MS": text,
            "PI_KEEPER_MAX_LINE_BYTES": text,
        ])
        #expect(settings == KeeperSettings(environment: [:]))
    }

    @Test("The largest integer is a number like any other")
    func largestNumber() {
        let settings = KeeperSettings(environment: [
            "PI_KEEPER_LOG_MAX_BYTES": "\(Int.max)",
            "PI_KEEPER_LOG_CHECK_INTERVAL_MS": "\(Int.max)",
            "PI_KEEPER_MAX_LINE_BYTES": "007",
        ])
        #expect(settings.logMaximumBytes == .max)
        #expect(settings.logCheckInterval == .milliseconds(Int.max))
        #expect(settings.maximumLineLength == 7)
        let longest = KeeperSettings(environment: ["PI_KEEPER_MAX_LINE_BYTES": "\(Int.max)"]).maximumLineLength
        #expect(longest == 999_999_999_999_999, "the channel can say it")
    }

    @Test("A server sets nothing where the absence of a variable says the same")
    func omitsDefaults() {
        for command in [[], ["pi"]] {
            let variables = KeeperSettings.environment(
                command: command,
                arguments: ["--mode", "rpc"],
                capturesOutput: false
            )
            #expect(variables.isEmpty)
        }
    }

    @Test(
        "What a server sets is what the keeper reads",
        arguments: [[], ["pi", "x"], ["/opt/a \"b\"/é\n", "\u{1F600}", ""]] as [[String]],
        [[], ["--mode", "rpc"], ["--mode", "rpc", "--session-file", "C:\\x"], [""]] as [[String]]
    )
    func roundTrips(command: [String], arguments: [String]) {
        for capturesOutput in [false, true] {
            let variables = KeeperSettings.environment(
                command: command,
                arguments: arguments,
                capturesOutput: capturesOutput
            )
            let settings = KeeperSettings(
                environment: Dictionary(uniqueKeysWithValues: variables.map { ($0.name, $0.value) })
            )
            #expect(settings.command == (command.isEmpty ? ["pi"] : command))
            #expect(settings.arguments == arguments)
            #expect(settings.capturesOutput == capturesOutput)
            #expect(settings.warnings == [])
        }
    }

    @Test("The child gets everything but the keeper's variables, byte for byte and in order")
    func childEnvironment() {
        let invalid = Array("X=".utf8) + [0xFF, 0xFE, 0x80]
        let entries: [[UInt8]] = [
            Array("PATH=/bin".utf8), Array("PI_KEEPER_PI_CMD=[]".utf8), invalid, Array("PI_KEEPER_".utf8),
            Array("PI_KEEPER_FUTURE=1".utf8), Array("PI_DASHBOARD_SPAWNED=0".utf8), Array("PI_DASHBOARD_SPAWNED".utf8),
            Array("PI_DASHBOARD_SPAWNED_TOO=1".utf8), Array("PI_DASHBOARD_HOME=/d".utf8), Array("PI_KEEPER=1".utf8),
            Array("pi_keeper_x=1".utf8), Array("A=PI_KEEPER_X=1".utf8), Array("PATH=/bin".utf8), [],
            Array("=C:=C:\\".utf8), Array("PI_DASHBOARD_SPAWNED=1".utf8),
        ]
        let expected: [[UInt8]] = [
            Array("PATH=/bin".utf8), invalid, Array("PI_DASHBOARD_SPAWNED_TOO=1".utf8),
            Array("PI_DASHBOARD_HOME=/d".utf8), Array("PI_KEEPER=1".utf8), Array("pi_keeper_x=1".utf8),
            Array("A=PI_KEEPER_X=1".utf8), Array("PATH=/bin".utf8), [], Array("=C:=C:\\".utf8),
            Array("PI_DASHBOARD_SPAWNED=1".utf8),
        ]
        #expect(KeeperSettings.childEnvironment(from: entries) == expected)
        #expect(KeeperSettings.childEnvironment(from: []) == [Array("PI_DASHBOARD_SPAWNED=1".utf8)])
    }
}
