internal import UVLoop

/// True if this program becomes a keeper when it is started as one, which its main decides.
///
/// A program that is its own sidecar and does not would start itself without end: each copy starts the next.
package enum SidecarHost {
    private static let preparation = Lock<String?>(nil)

    /// Called by `KeeperSidecar.runIfRequested()`, first thing in the program's main: the executable is still the one that was
    /// started then.
    package static func prepare() {
        let path: String
        // If the system does not tell, it is asked again when it is needed.
        do throws(UVError) { path = try CurrentProcess.executablePath() } catch { path = "" }
        preparation.withLock { $0 = path }
    }

    /// The executable as it was called at the start, empty if the system does not tell; nil if main has not prepared it.
    package static var executable: String? { preparation.withLock { $0 } }

    /// True if this process was itself started to be a keeper, however its command line looks: only keepers have that
    /// variable. An original keeper's child inherits it, and has another one that no keeper is started with.
    package static let isStartedAsKeeper: Bool =
        ProcessEnvironment.current[KeeperVariable.started] != nil
        && ProcessEnvironment.current[KeeperVariable.spawned] == nil
}
