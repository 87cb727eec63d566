import TestSupport
import Testing

/// The proof of the harness: a child or a keeper that harms one line in ten thousand is caught.
@Suite(.serialized) struct MischiefTests {
    @Test(
        "one line in ten thousand is noticed",
        arguments: [
            ("drop", "1 lost"), ("duplicate", "1 duplicated"), ("tear", "1 lost, 2 torn"), ("reorder", "1 reordered"),
        ],
        ["--faulty-child", "--faulty-keeper"])
    func caught(mischief: (kind: String, finding: String), who: String) throws {
        let run = try StressRun(
            "writes", "--lines", "800", "--sessions", "1", "--writers", "8", "--size", "64", "--connect", "pipelined",
            "--seed", "5", who, mischief.kind)
        #expect(run.code == 1, "\(run.output)")
        #expect(run.output.contains("VIOLATION"), "\(run.output)")
        #expect(run.output.contains(" broken: \(mischief.finding)\n"), "\(run.output)")
        #expect(run.output.contains("--seed 5"), "the command that does it again: \(run.output)")
    }

    @Test("the same lines without mischief pass") func innocent() throws {
        let run = try StressRun(
            "writes", "--lines", "800", "--sessions", "1", "--writers", "8", "--size", "64", "--connect", "pipelined")
        #expect(run.code == 0, "\(run.output)")
    }
}
