import TestSupport
import Testing

/// The proof of the harness: a child, a keeper or a server that harms one line in ten thousand, one start, one file, is caught.
@Suite(.serialized) struct MischiefTests {
    @Test(
        "one line in ten thousand is noticed",
        arguments: [
            ("drop", "1 lost"), ("duplicate", "1 duplicated"), ("tear", "1 lost, 2 torn"), ("reorder", "1 reordered"),
        ],
        ["--faulty-child", "--faulty-keeper"])
    func caught(mischief: (kind: String, finding: String), who: String) throws {
        let run = try StressRun(
            "writes", "--lines", "800", "--duration", "1000", "--sessions", "1", "--writers", "8", "--size", "64",
            "--connect", "pipelined",
            "--seed", "5", who, mischief.kind)
        #expect(run.code == 1, "\(run.output)")
        #expect(run.output.contains("VIOLATION"), "\(run.output)")
        #expect(run.output.contains(" broken: \(mischief.finding)\n"), "\(run.output)")
        #expect(run.output.contains("--seed 5"), "the command that does it again: \(run.output)")
    }

    @Test(
        "a start that fails for nothing is noticed, with what was said of it",
        arguments: [
            ["spawn", "--keepers", "4", "--duration", "1"],
            [
                "chaos", "--sessions", "2", "--rate", "100", "--connect", "pipelined", "--duration", "1", "--faults",
                "keeper-killed",
                "--all-faults",
            ],
            ["restart", "--sessions", "2", "--rate", "100", "--connect", "pipelined", "--duration", "1"],
        ])
    func failedStart(scenario: [String]) throws {
        let run = try StressRun(scenario + ["--faulty-keeper", "fail-start"])
        #expect(run.code == 1, "\(run.output)")
        #expect(run.output.contains("failed-start: session "), "\(run.output)")
        #expect(run.output.contains("faulty keeper: it fails for nothing"), "\(run.output)")
        #expect(run.output.contains(/failed starts +.*\d+ for nothing\n/), "\(run.output)")
        #expect(run.output.contains(/broken: \d+ failed-start\n/), "\(run.output)")
        try hold(scenario)
    }

    @Test("a discovery that removes files without their lock is noticed") func lockless() throws {
        let scenario = [
            "chaos", "--sessions", "1", "--rate", "100", "--connect", "pipelined", "--duration", "1", "--faults",
            "discovery-race",
            "--all-faults",
        ]
        let run = try StressRun(scenario + ["--faulty-discovery", "lockless"])
        #expect(run.code == 1, "\(run.output)")
        #expect(run.output.contains("file-lost: of a live keeper, under a discovery: "), "\(run.output)")
        try hold(scenario)
    }

    @Test(
        "a last line without a newline that is not passed on is noticed",
        arguments: [
            ("unfinished-line", "lost: session 0, writer "),
            ("client-disconnected", "lost: session 0: last lines without a newline"),
        ])
    func lostTail(fault: String, finding: String) throws {
        let scenario = [
            "chaos", "--sessions", "1", "--rate", "100", "--connect", "pipelined", "--duration", "1", "--faults", fault,
            "--all-faults",
        ]
        let run = try StressRun(scenario + ["--faulty-keeper", "lose-tail"])
        #expect(run.code == 1, "\(run.output)")
        #expect(run.output.contains(finding) && run.output.contains(/broken: \d+ lost\n/), "\(run.output)")
        try hold(scenario)
    }

    @Test("a keeper that acknowledges a line early, and loses it, is noticed") func acknowledgedEarly() throws {
        let run = try StressRun(
            "writes", "--lines", "800", "--duration", "1000", "--sessions", "1", "--writers", "8", "--size", "64",
            "--connect", "pipelined", "--faulty-keeper", "early-ack")
        #expect(run.code == 1 && run.output.contains(" broken: 1 lost\n"), "\(run.output)")
    }

    @Test("a keeper that drops an acknowledgement is noticed") func droppedAcknowledgement() throws {
        let run = try StressRun(
            "writes", "--lines", "640", "--duration", "1000", "--sessions", "1", "--writers", "8", "--size", "64",
            "--faulty-keeper", "drop-ack")
        #expect(run.code == 1 && run.output.contains("VIOLATION"), "\(run.output)")
        // A machine that stood still meanwhile excuses what is unknown.
        #expect(run.output.contains(/broken: 1 record(, \d+ unexplained-unknown)?\n/), "\(run.output)")
    }

    @Test("a keeper that does not know a server which comes back is noticed") func forgotten() throws {
        let scenario = ["restart", "--sessions", "1", "--writers", "2", "--duration", "2", "--kill-interval", "0.3"]
        let run = try StressRun(scenario + ["--faulty-keeper", "forget-writer"])
        #expect(run.code == 1 && run.output.contains("duplicated: "), "\(run.output)")
        try hold(scenario + ["--faulty-keeper", "honest"])
    }

    @Test("so is one that does not know a client whose connection was cut") func cut() throws {
        let scenario = [
            "chaos", "--sessions", "1", "--rate", "100", "--duration", "1", "--faults", "channel-cut", "--all-faults",
        ]
        let run = try StressRun(scenario + ["--faulty-keeper", "forget-writer"])
        #expect(run.code == 1 && run.output.contains(/broken: .*\d+ duplicated/), "\(run.output)")
        try hold(scenario + ["--faulty-keeper", "honest"])
    }

    @Test("so is one that does not tell a writer that it was replaced") func replaced() throws {
        // The stand-in knows nothing of that.
        let run = try StressRun(
            "chaos", "--sessions", "1", "--rate", "100", "--duration", "1", "--faults", "writer-replaced",
            "--drain-limit", "1", "--faulty-keeper", "honest")
        #expect(run.code == 1 && run.output.contains("a connection that was replaced was not told"), "\(run.output)")
    }

    @Test("a line that is sent again under another number is noticed") func resent() throws {
        let scenario = ["writes", "--lines", "400", "--duration", "1000", "--sessions", "1", "--writers", "2"]
        let run = try StressRun(scenario + ["--resend", "100"])
        #expect(run.code == 1 && run.output.contains(" broken: 8 duplicated\n"), "\(run.output)")
        try hold(scenario)
    }

    @Test("a server whose memory keeps growing is noticed") func leak() throws {
        let scenario = [
            "soak", "--sessions", "1", "--writers", "2", "--rate", "500", "--size", "64", "--duration", "8",
        ]
        let run = try StressRun(scenario + ["--leak", "65536"])
        #expect(run.code == 1 && run.output.contains(/memory-grown: the server's, from .* to .*\n/), "\(run.output)")
        // A sanitizer keeps freed memory, so that there every server's grows.
        if !BuiltProducts.areSanitized { try hold(scenario) }
    }

    @Test(
        "a chunk of output that is lost, wrong, sent twice or said to be gone is noticed, and so is a wrong end",
        arguments: [
            ("lose-chunk", "output-hole"), ("wrong-offset", "output-wrong"), ("repeat-chunk", "output-doubled"),
            ("false-gap", "output-gap"), ("wrong-end", "output-missing"),
        ])
    func output(kind: String, finding: String) throws {
        let scenario = [
            "writes", "--lines", "400", "--rate", "800", "--duration", "1000", "--sessions", "1", "--writers", "2",
            "--size", "64", "--connect", "pipelined", "--readers", "1",
        ]
        let run = try StressRun(scenario + ["--faulty-keeper", kind])
        #expect(run.code == 1, "\(run.output)")
        #expect(run.output.contains("\(finding): session 0, life 0, reader 0, "), "\(run.output)")
        try hold(scenario)
    }

    @Test("a socket that one keeper in twenty leaves behind is noticed") func leftSocket() throws {
        // It ends with the first.
        let run = try StressRun("spawn", "--keepers", "8", "--duration", "1000", "--faulty-keeper", "leave-socket")
        #expect(run.code == 1, "\(run.output)")
        let finding = /file-left: session \d, life \d+, ended in order: \S+\.rpc\.sock\n/
        #expect(run.output.contains(finding), "\(run.output)")
    }

    private func hold(_ scenario: [String]) throws {
        let run = try StressRun(scenario)
        #expect(run.code == 0 && !run.output.contains("for nothing"), "without mischief: \(run.output)")
    }

    @Test("the same lines without mischief pass, by a keeper and by a stand-in", arguments: ["none", "honest"])
    func innocent(keeper: String) throws {
        let run = try StressRun(
            "writes", "--lines", "800", "--duration", "1000", "--sessions", "1", "--writers", "8", "--size", "64",
            "--connect", "pipelined", "--faulty-keeper", keeper)
        #expect(run.code == 0, "\(run.output)")
    }
}
