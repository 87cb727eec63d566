public import Testing
public import UVLoop

/// Returns the path of a program that the build puts beside the running tests.
public func siblingExecutable(_ name: String) throws -> String {
    let tests = try Files.realPath(of: "/proc/self/exe")
    return "\(Files.parent(of: tests) ?? "/")/\(name)"
}

/// Runs a scenario of `uvloop-test-helper` in a process of its own and requires that it succeeds.
///
/// - Parameter leaks: true if the scenario loses memory on purpose, so that AddressSanitizer does not report it.
public func expectScenario(
    _ arguments: String..., leaks: Bool = false, sourceLocation: SourceLocation = #_sourceLocation,
) throws {
    let result = try runProgram(siblingExecutable("uvloop-test-helper"), arguments, leaks: leaks)
    #expect(result.status == .exited(code: 0), "\(result.output)", sourceLocation: sourceLocation)
}

extension ChildProcess {
    /// Kills the child when ``withLoop(timeout:sourceLocation:_:)`` gives up: no other code would.
    public func killWhenCanceled() {
        // The child was not seen to end, so it keeps its id, even as a zombie.
        onCanceled = { child in expectNoError { () throws(UVError) in try Processes.send(.kill, to: child.pid) } }
    }
}

/// Runs a program to its end and collects its standard output and error.
public func runProgram(
    _ executable: String, _ arguments: [String] = [], leaks: Bool = false,
) throws -> (status: ProcessExit?, output: String) {
    var status: ProcessExit?
    var output: [UInt8] = []
    try withLoop { loop in
        var environment = ProcessEnvironment.current
        if leaks { environment["ASAN_OPTIONS"] = "detect_leaks=0" }
        let configuration = ChildProcess.Configuration(
            executable: executable, arguments: arguments, environment: environment, stdio: [.ignore, .pipe, .pipe])
        let child = try ChildProcess(configuration, on: loop) { status = $1 }
        child.killWhenCanceled()
        for stream in child.streams.compactMap({ $0 }) { try stream.collect { output += $0 } }
    }
    return (status, String(decoding: output, as: UTF8.self))
}
