import TestSupport
import Testing
import UVKeeper

@testable import uvkeeper_stress

/// Every scenario at small scale. What they find is a fault of the system; that they find, ``MischiefTests`` show.
@Suite(.serialized) struct ScenarioTests {
    @Test("lines of a closed loop arrive", arguments: ["per-line", "pipelined"])
    func closedLoop(connect: String) throws {
        let run = try StressRun(
            "writes", "--lines", "300", "--duration", "1000", "--sessions", "2", "--writers", "2", "--connect", connect,
            "--size", "64..64K")
        #expect(run.code == 0, "\(run.output)")
        // On connections of their own, lines may be unknown on a slow machine.
        let all = connect == "pipelined" ? /(1,200) of \1 written lines/ : /([1-9][\d,]*) of \1 written lines/
        #expect(run.output.contains(all), "\(run.output)")
    }

    @Test("lines of an open loop arrive") func openLoop() throws {
        let run = try StressRun("writes", "--duration", "1", "--rate", "300", "--sessions", "2")
        #expect(run.code == 0, "\(run.output)")
    }

    @Test("keepers of every wave are gone") func waves() throws {
        let run = try StressRun("spawn", "--keepers", "4", "--duration", "1")
        #expect(run.code == 0, "\(run.output)")
    }

    @Test("a killed server's lines are accounted for, and shown while it runs") func restart() throws {
        // Longer than it takes to the second line of progress, the first of which nothing may have been written for.
        let run = try StressRun(
            "restart", "--duration", "11", "--kill-interval", "0.4", "--sessions", "2", "--rate", "500", quiet: false)
        #expect(run.code == 0, "\(run.output)")
        #expect(run.output.contains("server-killed"), "\(run.output)")
        #expect(run.output.contains(" written, 0 refused, 0 unknown"), "the next server learns it: \(run.output)")
        let shown = try #require(
            run.output.split(separator: "\n").last { $0.contains(" lines/s, ") && $0.contains("servers killed") })
        let latencies = /(\d[\d,]*) written, .* p50 ([\d.]+) (m?s), p99 ([\d.]+) (m?s), lag/
        let found = try #require(shown.firstMatch(of: latencies), "\(shown)")
        #expect(found.1 != "0" && found.2 != "0" && found.4 != "0", "\(shown)")
    }

    @Test("every kind of fault is survived") func chaos() throws {
        var injected: Set<FaultRecord.Kind> = []
        for seed in [1, 2] {
            let run = try StressRun(
                "chaos", "--duration", "5", "--fault-interval", "0.2", "--all-faults", "--rate", "400", "--sessions",
                "3",
                "--seed", "\(seed)")
            #expect(run.code == 0, "\(run.output)")
            injected.formUnion(FaultInjector.kinds.filter { run.output.contains(" \($0.rawValue)") })
        }
        #expect(Set(FaultInjector.kinds).subtracting(injected).isEmpty)
    }

    @Test("a number of lines holds for the writers of both servers, and for a killed one's successors")
    func chaosLines()
        throws
    {
        let run = try StressRun(
            "chaos", "--lines", "250", "--duration", "1000", "--rate", "800", "--sessions", "2", "--writers", "2",
            "--faults", "server-killed", "--fault-interval", "0.3")
        #expect(run.code == 0, "\(run.output)")
        // 2 sessions of 2 writers here, and as many there.
        #expect(run.output.contains("2,000 sent") && run.output.contains("server-killed"), "\(run.output)")
    }

    @Test("nothing grows under a steady load") func soak() throws {
        let run = try StressRun("soak", "--duration", "10", "--rate", "200", "--sessions", "2")
        #expect(run.code == 0, "\(run.output)")
        #expect(run.output.contains("memory of this process"), "there were samples enough: \(run.output)")
    }

    @Test(
        "wrong usage is status 64",
        arguments: [
            ["writes", "--size", "63"], ["chaos", "--faults", "none-such"], ["chaos", "--faults", "machine-stalled"],
            ["restart", "--lines", "5"], ["writes", "--json", "/none-such/a.json"],
        ])
    func usage(arguments: [String]) throws {
        #expect(try StressRun(arguments[0], arguments[1], arguments[2]).code == 64)
    }

    @Test(
        "a run that is told to end leaves nothing and says that it was cut short, with status 2",
        arguments: ["writes", "spawn", "restart", "chaos", "soak"])
    func interrupted(scenario: String) throws {
        try withTemporaryDirectory { directory in
            let script = #"""
                "$0" "$1" --duration 1000 2> "$2/progress" > "$2/table" &
                until [ -s "$2/progress" ]; do sleep 0.05; done
                kill $!; wait $!; echo "status $?"; grep -c 'ended early by SIGTERM' "$2/table"
                """#
            let run = try runProgram(
                "/bin/sh", ["-c", script, BuiltProducts.executable("uvkeeper-stress"), scenario, directory])
            #expect(run.output == "status 2\n1\n")
        }
    }

    @Test("what the harness itself cannot do is status 70, not a broken invariant") func harness() throws {
        let run = try StressRun(
            "writes", "--lines", "1", "--sessions", "1", "--writers", "1", "--json", "/dev/full")
        #expect(run.code == 70 && run.output.contains("cannot write /dev/full"), "\(run.output)")
    }
}
