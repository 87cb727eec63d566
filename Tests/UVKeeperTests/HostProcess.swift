import TestSupport
import Testing
import UVKeeper

/// The helper executable `keeper-host`, running: a server that a test can kill, starve or strip of its privileges.
final class HostProcess {
    private(set) var output = ""
    private(set) var hasEnded = false
    let child: ChildProcess
    private let world: World

    init(
        _ arguments: [String], executable: String = BuiltProducts.executable("keeper-host"),
        environment: [String: String] = [:],
        in world: World
    ) throws {
        self.world = world
        var variables = ProcessEnvironment.current
        for (name, value) in environment { variables[name] = value }
        child = try ChildProcess(
            .init(
                executable: executable, arguments: arguments, environment: variables, workingDirectory: world.root,
                stdio: [.pipe, .pipe, .descriptor(2)]), on: world.loop
        ) { _, _ in }
        world.own(child.pid)
        for case let stream? in child.streams { _ = world.owned(stream) }
        try child.streams[1]?.readStart(
            onBytes: { _, bytes in
                self.output += bytes.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
            },
            onEnd: { _, _ in self.hasEnded = true },
        )
    }

    /// Its output, line by line, as soon as so many lines are there.
    func lines(_ count: Int) throws -> [String] {
        try world.eventually { output.split(separator: "\n").count >= count || hasEnded }
        return output.split(separator: "\n").map { String($0) }
    }

    /// Waits until it has ended; its whole output.
    func end() throws -> [String] {
        child.streams[0]?.close()
        try world.eventually { hasEnded && !child.isRunning }
        return output.split(separator: "\n").map { String($0) }
    }

    /// The number in the line `pid N`; the process is then the world's.
    func keeperPID() throws -> Int32 {
        let line = try lines(1).first ?? ""
        let pid = try #require(Int32(line.dropFirst(4)), "not a pid: \(line)")
        world.own(pid)
        return pid
    }
}

extension World {
    /// Writes a pid file of no process, whose lock the process that is returned holds.
    func lockedPIDFile(of id: String) throws -> HostProcess {
        try Files.makeDirectory(at: paths.directory)
        let path = paths.keeperPID(for: try session(id))
        try write("999999999", to: path)
        let host = try HostProcess(["lock", path], in: self)
        #expect(try host.lines(1) == ["locked"])
        return host
    }

    /// Runs the helper to its end.
    func host(_ arguments: String..., environment: [String: String] = [:]) throws -> [String] {
        try HostProcess(arguments, environment: environment, in: self).end()
    }
}
