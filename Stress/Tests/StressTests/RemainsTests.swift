import TestSupport
import Testing
import UVKeeper

@testable import uvkeeper_stress

/// Serialized: descriptors are counted of the whole process, so only more of them can be told from others' tests.
@Suite(.serialized) struct RemainsTests {
    @Test("a run that left nothing is clean") func clean() throws {
        try withRun { run in #expect(found(run) == [:]) }
    }

    @Test("a process with the mark of the run is found and ended, one of another run is not") func process() throws {
        try withRun { run in
            for (directory, count) in [(run.directory, 1), (run.directory + "-other", 0)] {
                var ended: ProcessExit?
                try withLoop { loop in
                    let marked = RunDirectory(directory: directory)
                    let child = try ChildProcess(
                        .init(
                            executable: "/bin/sleep", arguments: ["600"], environment: marked.environment,
                            stdio: [.ignore, .ignore, .ignore]),
                        on: loop
                    ) { ended = $1 }
                    // For an instant after the start a process shows no environment.
                    try TestSupport.run(loop) {
                        ProcessFigures.processes(withEnvironmentContaining: directory).contains(child.pid)
                    }
                    #expect(found(run)[.processLeft, default: 0] == count)
                    if count == 0 { try child.kill(.terminate) }
                }
                #expect(ended == .signaled(count == 1 ? .kill : .terminate))
            }
        }
    }

    @Test("files are found, logs may stay") func file() throws {
        try withRun { run in
            for name in ["s0.rpc.sock", "keeper-s0.log"] { try OpenFile("\(run.sessions)/\(name)", .append).close() }
            #expect(found(run) == [.fileLeft: 1])
        }
    }

    @Test("more descriptors than before are left") func descriptors() throws {
        try withRun { run in
            #expect(found(run, descriptorsBefore: 0)[.descriptorLeft, default: 0] > 0)
        }
    }

    @Test("a directory that cannot be listed is not taken for an empty one") func unlisted() throws {
        try withTemporaryDirectory { directory in
            #expect(found(RunDirectory(directory: directory)) == [.fileLeft: 1])
        }
    }

    /// Descriptors of other tests, which run beside these, do not count.
    private func found(_ run: RunDirectory, descriptorsBefore before: Int = .max) -> [Violations.Kind: Int] {
        var violations = Violations()
        Remains.check(run, descriptorsBefore: before, grace: .zero, into: &violations)
        return violations.counts
    }

    private func withRun(_ body: (RunDirectory) throws -> Void) throws {
        try withTemporaryDirectory { directory in
            let run = RunDirectory(directory: directory)
            try Files.makeDirectory(at: run.sessions)
            try body(run)
        }
    }
}
