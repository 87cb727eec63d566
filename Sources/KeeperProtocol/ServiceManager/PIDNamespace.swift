internal import UVLoop

/// The pid namespace of this process.
package enum PIDNamespace {
    /// The name of the host's, the same on every Linux.
    private static let ofHost = "pid:[4026531836]"

    /// True if this process is in a pid namespace of its own, as in a sandbox or a container: the end of that namespace's
    /// process 1 ends it, whatever its control group. A namespace with a systemd of its own is as good as a host.
    package static var isInner: Bool {
        guard let name = Files.linkTarget("/proc/self/ns/pid"), name != ofHost else { return false }
        // The /proc of another namespace has that one's process 1.
        guard Files.linkTarget("/proc/self") == "\(CurrentProcess.id)" else { return true }
        do throws(UVError) { return try Files.read("/proc/1/comm", limit: 32) != Array("systemd\n".utf8) } catch {
            // /proc hides it.
            return true
        }
    }
}
