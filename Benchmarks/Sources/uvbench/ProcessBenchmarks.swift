import Glibc
import UVKeeper

/// Children, and directories of pid files.
enum ProcessBenchmarks {
    static let all = [
        Benchmark(name: "spawn") { count, arguments in try spawn(count, arguments, usesLibuv: false) },
        Benchmark(name: "spawn-libuv") { count, arguments in try spawn(count, arguments, usesLibuv: true) },
        Benchmark(name: "scan", run: scan),
    ]

    /// usage: spawn COUNT MEBIBYTES. Starts one child after another, after some to warm up; `block` is the median of
    /// the call alone.
    private static func spawn(_ count: Int, _ arguments: [String], usesLibuv: Bool) throws -> Measurement {
        occupy(arguments.first.flatMap { Int($0) } ?? 0)
        let loop = try Loop()
        var configuration = ChildProcess.Configuration(executable: "/bin/true")
        configuration.usesLibuv = usesLibuv
        var blocked: [Double] = []
        var left = 0
        func next() {
            left -= 1
            let begin = SystemClock.monotonicTime
            do {
                _ = try ChildProcess(configuration, on: loop) { _, status in
                    guard status == .exited(code: 0) else { fail("the child \(status)") }
                    if left > 0 { next() }
                }
            } catch {
                fail("\(error)")
            }
            blocked.append((SystemClock.monotonicTime - begin).nanoseconds)
        }
        func run(_ count: Int) {
            (blocked, left) = ([], count)
            next()
            loop.run()
        }
        run(warmUpSpawns)
        let time = timed { run(count) }
        try loop.close()
        return Measurement(total: time, parts: [("block", blocked.sorted()[count / 2])])
    }

    /// The first children find cold caches, and a parent that has not shared its memory yet.
    private static let warmUpSpawns = 5

    /// Makes `mebibytes` MiB resident in pages of 4 KiB.
    private static func occupy(_ mebibytes: Int) {
        guard mebibytes > 0 else { return }
        let size = mebibytes << 20
        let memory = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let memory, memory != MAP_FAILED, madvise(memory, size, MADV_NOHUGEPAGE) == 0 else { fail("mmap") }
        for offset in stride(from: 0, to: size, by: 4096) {
            memory.storeBytes(of: 1, toByteOffset: offset, as: UInt8.self)
        }
    }

    /// usage: scan COUNT DIRECTORY FILES. Lists, opens, reads, parses.
    private static func scan(_ count: Int, _ arguments: [String]) throws -> Measurement {
        guard arguments.count == 2, let files = Int(arguments[1]) else { fail("scan COUNT DIRECTORY FILES") }
        let paths = KeeperPaths(directory: arguments[0])
        let time = try timed {
            for _ in 0..<count {
                var found = 0
                for name in try Files.names(inDirectory: paths.directory) {
                    guard let session = paths.sessionID(ofKeeperPIDFileNamed: name) else { continue }
                    let bytes = try Files.read(paths.keeperPID(for: session), limit: 64)
                    let digits = bytes.prefix { $0 >= 0x30 && $0 <= 0x39 }
                    if digits.reduce(0, { $0 * 10 + Int($1 - 0x30) }) > 0 { found += 1 }
                }
                guard found == files else { fail("found \(found) pid files, not \(files)") }
            }
        }
        return Measurement(total: time)
    }
}
