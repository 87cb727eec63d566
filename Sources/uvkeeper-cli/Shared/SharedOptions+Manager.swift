import ArgumentParser
import KeeperProtocol
import UVKeeper

extension SharedOptions {
    /// Runs `body` with a manager on a loop, then the loop until the body has called its last argument with an exit code.
    ///
    /// - Parameters:
    ///   - unreported: the exit code if it was 0 and the report of it could not be written.
    ///   - maximumLineLength: the longest line that the manager writes.
    ///   - refusesExposed: false for the command that reports what it finds wrong with the sessions directory. Others end
    ///     before the body if other users can change it.
    ///   - isReading: asked at the end; true if a thread still reads standard input, which may never return. Then the process
    ///     ends at once, since the loop would wait for that thread.
    /// - Throws: that exit code, if it is not 0, also when there is no manager; or why there is no loop.
    func withManager(
        unreported: ExitCode = .failure,
        maximumLineLength: Int = KeeperConstants.defaultMaximumLineLength,
        refusesExposed: Bool = true,
        isReading: @escaping () -> Bool = { false },
        _ body: (KeeperManager, Loop, @escaping (ExitCode) -> Void) -> Void,
    ) throws {
        if let unexpanded {
            report(unexpanded)
            throw ExitCode.failure
        }
        let loop = try Loop()
        var options = KeeperManager.Options()
        options.sessionsDirectory = sessionsDir
        options.maximumLineLength = maximumLineLength
        var code: ExitCode?
        do throws(KeeperError) {
            let manager = try KeeperManager(on: loop, options: options)
            if refusesExposed { try manager.checkSessionsDirectory() }
            body(manager, loop) { result in
                code = result
                manager.close()
                loop.closeHandles()
                if isReading() { CurrentProcess.exitAtOnce(Self.flushed(result, unreported).rawValue) }
            }
        } catch {
            fail(error) { code = $0 }
        }
        loop.run()
        loop.closeHandles()
        loop.run()
        try loop.close()
        guard let code else { preconditionFailure("the command ended without an outcome") }
        let result = Self.flushed(code, unreported)
        if result != .success { throw result }
    }

    /// The exit code once all output is written, or has been told to be lost.
    private static func flushed(_ code: ExitCode, _ unreported: ExitCode) -> ExitCode {
        if Output.flush() { return code }
        Output.reportLoss()
        return code == .success ? unreported : code
    }
}
