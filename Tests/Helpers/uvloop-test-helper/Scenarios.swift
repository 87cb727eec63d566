import Libc
import UVLoop

/// What the tests name as the first argument.
let scenarios: [String: @Sendable ([String]) throws -> Void] = [
    "terminal-ends": { try terminalEnds($0) },
    "terminal-keeps-handlers": { _ in try terminalKeepsHandlers() },
    "broken-pipe-in-run": { _ in try brokenPipeInRun() },
    "broken-pipe-outside-run": { _ in try brokenPipeOutsideRun() },
    "broken-pipe-at-stop": { _ in try brokenPipeAtStop() },
    "broken-pipe-at-close": { _ in try brokenPipeAtClose() },
    "broken-pipe-of-blocking-host": { _ in try brokenPipeOfBlockingHost() },
    "accept-without-descriptors": { _ in try acceptWithoutDescriptors() },
    "loop-without-descriptors": { _ in try loopWithoutDescriptors() },
    "loops-leak-nothing": { _ in try loopsLeakNothing() },
    "first-loop": { try firstLoop(free: Int($0[0])!) },
    "without-watches": { _ in try withoutWatches() },
    "work-without-threads": { _ in try workWithoutThreads() },
    "end-during-look-up": { _ in try endDuringLookup() },
    "look-up-without-threads": { _ in try lookupWithoutThreads() },
    "write-without-memory": { _ in try writeWithoutMemory() },
    "refused-pidfd-signal": { _ in try refusedPidfdSignal() },
    "unfinished-files": { _ in try unfinishedFiles() },
    "misuse": { try misuse($0[0]) },
    "loop-changes-threads": { _ in try loopChangesThreads() },
    "forgotten-loop": { _ in try forgottenLoop() },
    "raise-limit": { _ in try raiseLimit() },
    "close-all": { _ in closeAll() },
    "spawn-without-descriptors": { try spawnWithoutDescriptors(usesLibuv: $0.first == "libuv") },
    "spawn-many": { try spawnMany(usesLibuv: $0.first == "libuv") },
    "failed-spawns-leak-nothing": { try failedSpawnsLeakNothing(usesLibuv: $0.first == "libuv") },
    "no-stray-descriptors": { _ in try noStrayDescriptors() },
    "default-signals": { try defaultSignals(usesLibuv: $0.first == "libuv") },
    "host-waits-for-all": { _ in try hostWaitsForAll() },
    "host-ignores-child-signal": { _ in try hostIgnoresChildSignal() },
    "kill-after-collected": { _ in try killAfterCollected() },
    "detach": { try detach(executable: $0[0]) },
    "current-environment": { _ in currentEnvironment() },
    "wide-open-umask": { _ in try wideOpenUmask() },
    "narrow-umasks": { try narrowUmasks(directory: $0[0]) },
    "path-obstacles": { try pathObstacles(directory: $0[0]) },
    "full-standard-error": { _ in fullStandardError() },
    "hold-lock": { try holdLock(path: $0[0], mode: $0[1]) },
    "enter-private": { try enterPrivate($0[0]) },
    "make-private": { try makePrivate($0[0], mask: $0[1]) },
    "owned-private": { try ownedPrivate($0[0], hidesProc: $0.count > 1) },
    "listen-and-leave": { try listenAndLeave($0[0]) },
    "listen-and-share": { try listenAndShare($0[0], heir: $0[1]) },
    "signals": { _ in try signals() },
    "signal-once": { _ in try signalOnce() },
    "end-main-thread": { _ in endMainThread() },
    "without-pidfds": { withoutPidfds($0) },
    "foreign-proc": { _ in try foreignProc() },
    "churn-threads": { _ in try churnThreads() },
    "adopted-during-look": { try adoptedDuringLook(directory: $0[0]) },
    "adopted-while-looking-for-any": { try adoptedWhileLookingForAny(directory: $0[0]) },
    "hidden-child": { _ in try hiddenChild() },
    "file-watch-limits": { try fileWatchLimits($0[0]) },
    "file-watchers-leak-nothing": { _ in try fileWatchersLeakNothing() },
    "tail-without-watches": { try tailWithoutWatches($0[0]) },
    "tail-as-nobody": { try tailAsNobody(directory: $0[0]) },
    "serve-with-few-descriptors": { _ in try serveWithFewDescriptors() },
    "network-without-interfaces": { _ in try networkWithoutInterfaces() },
    "network-without-answers": { _ in try networkWithoutAnswers() },
    "network-without-ports": { _ in try networkWithoutPorts() },
    "network-with-slow-neighbour": { _ in try networkWithSlowNeighbour() },
    "low-port": { _ in try lowPort() },
    "sleep": { _ in sleepForever() },
]

/// Ends the process with a message on standard error.
func fail(_ message: String) -> Never {
    write("uvloop-test-helper: \(message)", to: 2)
    exit(1)
}

/// Writes a line, unbuffered.
func write(_ line: String, to descriptor: Int32 = 1) {
    let bytes = Array("\(line)\n".utf8)
    _ = Glibc.write(descriptor, bytes, bytes.count)
}

/// Ends the process unless `condition` holds.
func require(_ condition: Bool, _ message: @autoclosure () -> String) {
    if !condition { fail(message()) }
}

/// How many descriptors this process has open.
func descriptorCount() -> Int {
    var count = 0
    for descriptor in 0..<Int32(1024) where fcntl(descriptor, F_GETFD) != -1 { count += 1 }
    return count
}

/// Runs the loop until `condition` holds; fails after a minute.
func run(_ loop: Loop, until condition: () -> Bool) throws {
    let deadline = SystemClock.monotonicTime + .seconds(60)
    let ticks = TimerHandle(on: loop)
    ticks.start(after: .milliseconds(5), repeating: .milliseconds(5)) { _ in }
    while !condition() {
        require(SystemClock.monotonicTime < deadline, "the condition did not come to hold")
        loop.run(.once)
    }
    ticks.close()
}

/// Closes every handle and then the loop.
func end(_ loop: Loop) throws {
    loop.closeHandles()
    while loop.run() {}
    try loop.close()
}

/// Two connected sockets, close-on-exec.
func socketPair() -> (Int32, Int32) {
    var pair: [Int32] = [-1, -1]
    let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
    require(socketpair(AF_UNIX, kind, 0, &pair) == 0, "socketpair")
    return (pair[0], pair[1])
}

/// Lowers or raises the soft limit of descriptors.
func setDescriptorLimit(_ soft: Int) {
    var limit = rlimit(rlim_cur: rlim_t(soft), rlim_max: rlim_t(DescriptorLimit.current.hard))
    require(setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0, "setrlimit")
}

/// Takes every descriptor that is left, then lets the body give some back.
func useUpDescriptors() -> [Int32] {
    var taken: [Int32] = []
    while true {
        let descriptor = fcntl(0, F_DUPFD_CLOEXEC, 0)
        if descriptor < 0 { return taken }
        taken.append(descriptor)
    }
}

/// A directory of the scenario's own, whatever one that failed before has left under the same pid.
func makeDirectory() -> String {
    var template = Array("/tmp/uvk-XXXXXX".utf8CString)
    require(mkdtemp(&template) != nil, "mkdtemp: \(errno)")
    return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
}
