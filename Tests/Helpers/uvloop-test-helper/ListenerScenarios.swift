import Libc
import UVLoop

private func listeningSocket(_ path: String) -> Int32 {
    let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
    let result = withUnsafePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
        }
    }
    require(result == 0 && listen(descriptor, 8) == 0, "listen: \(errno)")
    return descriptor
}

/// Listens on a path, hands the socket to a process that outlives this one, prints that one's pid, and ends.
func listenAndLeave(_ path: String) throws {
    let loop = try Loop()
    let heir = try ChildProcess(
        .init(
            executable: "sleep", arguments: ["1000"], stdio: [.descriptor(listeningSocket(path)), .ignore, .ignore],
            flags: .detached), on: loop
    ) { _, _ in }
    write("\(heir.pid)")
    exit(0)
}

/// Listens on a path, shares the socket with a process that is no descendant of this one any more and whose pid goes to a
/// file, and waits for its end.
func listenAndShare(_ path: String, heir: String) throws {
    let loop = try Loop()
    let script = "setsid sleep 1000 & echo $! >\(heir).new; mv \(heir).new \(heir)"
    _ = try ChildProcess(
        .init(
            executable: "bash", arguments: ["-c", script],
            stdio: [.ignore, .ignore, .ignore, .descriptor(listeningSocket(path))], flags: .detached), on: loop
    ) { _, _ in }
    loop.run()
    while true { pause() }
}
