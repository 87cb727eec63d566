import ArgumentParser
import KeeperProtocol
import UVKeeper

extension SharedOptions {
    /// Runs `body` with a manager on a loop, then runs the loop until the body has called its last argument with an
    /// exit code.
    ///
    /// - Parameters:
    ///   - unreported: the exit code if the command's was 0 and its report could not be written.
    ///   - maximumLineLength: the longest line that the manager writes.
    ///   - refusesExposed: false for the command that itself reports what is wrong with the sessions directory. Other
    ///     commands end before the body if other users can change it.
    ///   - isReading: called at the end; true if a thread still reads standard input, which may never return. The
    ///     process then ends at once, since the loop would wait for that thread.
    /// - Throws: the exit code, if it is not 0, even when there is no manager; or the error of making the loop.
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

    /// The exit code, once all output is written or its loss reported.
    private static func flushed(_ code: ExitCode, _ unreported: ExitCode) -> ExitCode {
        if Output.flush() { return code }
        Output.reportLoss()
        return code == .success ? unreported : code
    }
}
