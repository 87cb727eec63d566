internal import UVLoop

/// Tells whether the keeper that a connection was made to has lived until its end.
///
/// A keeper that ends closes its connections cleanly even if it held lines that its child's full pipe had not taken. But it
/// loses the lock on its pid file before: it lets go of it first when it ends in order, and the kernel takes a dead process's
/// locks before it closes its sockets. So a clean close confirms only while the lock is still held by the process that held
/// it when the connection opened.
///
/// Where there is no lock (the original keeper, a foreign listener), every clean close counts, as it always did.
final class KeeperWitness {
    private let file: OpenFile
    private let keeper: Int32

    /// Nil if no keeper holds a lock beside the socket.
    init?(besideSocketAt path: String) {
        do throws(UVError) {
            file = try OpenFile(path + ".pid", .readOnly)
            guard case .process(let holder) = try file.lockHolder() else { return nil }
            keeper = holder
        } catch {
            // No such file, or no descriptor for it: nobody testifies.
            return nil
        }
    }

    /// Whether the keeper lives.
    var holds: Bool {
        do throws(UVError) { return try file.lockHolder() == .process(keeper) } catch { return false }
    }
}
