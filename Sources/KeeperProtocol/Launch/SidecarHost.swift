internal import UVLoop

/// Tells if this program becomes a keeper when it is started as one, for which its main must call `prepare()`.
///
/// A program that is its own sidecar and makes no such call would start itself without end: each copy starts the next.
package enum SidecarHost {
    private static let preparation = Lock<String?>(nil)

    /// Notes the path of the executable. Called by `KeeperSidecar.runIfRequested()`, first thing in the program's main,
    /// when the file at the path is still the one that was started.
    package static func prepare() {
        let path: String
        // If the system does not tell the path now, it is asked again when the path is needed.
        do throws(UVError) { path = try CurrentProcess.executablePath() } catch { path = "" }
        preparation.withLock { $0 = path }
    }

    /// The path of the executable at the start, empty if the system does not tell; nil if main has not called
    /// ``prepare()``.
    package static var executable: String? { preparation.withLock { $0 } }

    /// True if this process was itself started to be a keeper, whatever its command line: only keepers have that
    /// variable. A child of the original's keeper inherits the variable, but has another one that no keeper is started
    /// with.
    package static let isStartedAsKeeper: Bool =
        ProcessEnvironment.current[KeeperVariable.started] == "1"
        && ProcessEnvironment.current[KeeperVariable.spawned] == nil
}
