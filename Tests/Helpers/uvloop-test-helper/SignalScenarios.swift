import Libc
import UVLoop

func signals() throws {
    let loop = try Loop()
    let watcher = try SignalHandle(on: loop)
    var seen: [Signal] = []
    try watcher.start(.user1) { _, signal in seen.append(signal) }
    kill(getpid(), SIGUSR1)
    try run(loop) { seen.count == 1 }
    kill(getpid(), SIGUSR1)
    try run(loop) { seen.count == 2 }
    // Another signal, the same watcher; the former one has its default action again, so it is ignored first.
    try watcher.start(.user2) { watcher, signal in
        seen.append(signal)
        watcher.close()
    }
    kill(getpid(), SIGUSR2)
    while loop.run() {}
    require(seen == [.user1, .user1, .user2], "\(seen)")
    try end(loop)
}

func signalOnce() throws {
    let loop = try Loop()
    let guardian = try SignalHandle(on: loop)
    // Keeps the default action, which ends the process, away between the watches.
    try guardian.start(.user1) { _, _ in }
    let watcher = try SignalHandle(on: loop)
    var seen: [String] = []
    try watcher.start(.user1, once: true) { watcher, _ in
        seen.append("first")
        do throws(UVError) {
            try watcher.start(.user1, once: true) { _, _ in seen.append("second") }
        } catch { fail("\(error)") }
    }
    kill(getpid(), SIGUSR1)
    try run(loop) { seen.count == 1 }
    require(watcher.isActive, "a start in the callback was undone")
    kill(getpid(), SIGUSR1)
    try run(loop) { seen.count == 2 }
    require(!watcher.isActive, "still watching")
    // A watcher that was started once can watch for good.
    try watcher.start(.user1) { _, _ in seen.append("again") }
    kill(getpid(), SIGUSR1)
    try run(loop) { seen.count == 3 }
    require(watcher.isActive, "stopped by itself")
    require(seen == ["first", "second", "again"], "\(seen)")
    try end(loop)
}
