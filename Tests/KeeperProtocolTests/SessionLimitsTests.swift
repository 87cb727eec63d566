import KeeperProtocol
import Testing

@Suite("Limits of sessions") struct SessionLimitsTests {
    @Test(
        "sizes",
        arguments: [
            ("1048576", 1 << 20), ("4194304", 4_194_304), ("1024K", 1 << 20), ("3M", 3_145_728), ("8G", 8_589_934_592),
            ("2T", 2_199_023_255_552),
            ("4611686018427387904", 1 << 62), ("4194304T", 1 << 62),
        ] as [(String, UInt64)])
    func sizes(text: String, bytes: UInt64) { #expect(SessionLimits.bytes(text) == bytes) }

    @Test(
        "what is no size",
        arguments: [
            "", "0", "0G", "G", "-1", "+1", "1.5G", "8g", "8GB", "8 G", " 8", "8 ", "0x10", "1e3", "infinity", "100%",
            "1", "4096", "1023K", "1048575",
            "４", "4611686018427387905", "4194305T", "18446744073709551615", "99999999999999999999",
        ])
    func noSizes(text: String) { #expect(SessionLimits.bytes(text) == nil) }

    @Test("percents and numbers")
    func others() {
        #expect(SessionLimits.percent("150%") == 150 && SessionLimits.percent("1") == 1)
        #expect(SessionLimits.percent("100000%") == 100_000)
        for text in ["", "%", "0%", "0", "-5%", "1.5%", "150%%", "100001", "5 %"] {
            #expect(SessionLimits.percent(text) == nil, "\(text)")
        }
        #expect(SessionLimits.count("1") == 1 && SessionLimits.count("0") == nil && SessionLimits.count("1K") == nil)
    }

    @Test("the variables say what was given, and a keeper reads the same")
    func variables() {
        let limits = SessionLimits(memoryMaximum: 1 << 30, memoryHigh: 1 << 20, cpuQuota: 150, tasksMaximum: 7)
        var environment = Dictionary(uniqueKeysWithValues: limits.environment.map { ($0.name, $0.value) })
        var settings = KeeperSettings(environment: environment)
        #expect(settings.limits == limits && settings.scope == .auto && settings.warnings == [])
        environment["PI_KEEPER_SCOPE"] = "require"
        #expect(KeeperSettings(environment: environment).scope == .require)
        environment["PI_KEEPER_SCOPE"] = "off"
        settings = KeeperSettings(environment: environment)
        #expect(settings.scope == .off && settings.warnings == ["limits need a control group: PI_KEEPER_SCOPE is off"])
        #expect(SessionLimits().isEmpty && SessionLimits().environment.isEmpty && !limits.isEmpty)
    }

    @Test("an eighth of the memory is the keeper's, 32 MiB at most, and nothing else is limited twice")
    func keepersPart() {
        let limits = SessionLimits(memoryMaximum: 24 << 20, memoryHigh: 1 << 30, cpuQuota: 150, tasksMaximum: 7)
        #expect(limits.ofChildMemory == SessionLimits(memoryMaximum: 21 << 20, memoryHigh: 992 << 20))
        #expect(SessionLimits(memoryMaximum: 1).ofChildMemory.memoryMaximum == 1)
        #expect(SessionLimits(tasksMaximum: 1).ofChildMemory.isEmpty)
    }

    @Test("nothing said means off, and what is malformed is left out with a word")
    func malformed() {
        let none = KeeperSettings(environment: [:])
        #expect(none.scope == .off && none.limits.isEmpty && none.controlGroup == nil)
        let settings = KeeperSettings(environment: [
            "PI_KEEPER_SCOPE": "yes", "PI_KEEPER_MEMORY_MAX": "8GB", "PI_KEEPER_MEMORY_HIGH": "0",
            "PI_KEEPER_CPU_QUOTA": "x", "PI_KEEPER_TASKS_MAX": "-1", "PI_KEEPER_CGROUP": "",
        ])
        #expect(settings.scope == .off && settings.limits.isEmpty && settings.controlGroup == nil)
        #expect(
            settings.warnings
                == ["MEMORY_MAX", "MEMORY_HIGH", "CPU_QUOTA", "TASKS_MAX", "SCOPE"].map {
                    "ignoring malformed PI_KEEPER_\($0)"
                })
        let small = KeeperSettings(environment: ["PI_KEEPER_MEMORY_MAX": "1023K", "PI_KEEPER_SCOPE": "auto"])
        #expect(small.limits.isEmpty && small.hasMalformedLimit)
        #expect(
            small.warnings == ["ignoring PI_KEEPER_MEMORY_MAX=1023K: no session can live with less than 1M of memory"])
        for policy in ScopePolicy.allCases {
            let settings = KeeperSettings(environment: ["PI_KEEPER_SCOPE": policy.rawValue])
            #expect(settings.scope == policy && settings.warnings == [])
        }
        #expect(KeeperSettings(environment: ["PI_KEEPER_CGROUP": "/x"]).scope == .auto)
    }
}
