import TestSupport
import Testing

@testable import UVKeeper

@Suite struct KeeperManagerLogSweepTests {
    private func sweep(_ world: World, _ limit: Int) throws -> LogSweep {
        try world.result { world.manager.sweepLogs(from: limit, untouchedFor: .zero, completion: $0) }.get()
    }

    @Test("logs that are too large are cut, not removed; those of live sessions stay")
    func sweep() throws {
        try withWorld { world throws in
            let directory = world.paths.directory
            _ = try world.spawn("live")
            let logs = ["keeper-big.log", "keeper-launch-big.log", "keeper-small.log", "other.log", "keeper-.log"]
            for name in logs { try world.write(String(repeating: "x", count: 100), to: "\(directory)/\(name)") }
            try world.write("x", to: "\(directory)/keeper-small.log")
            let identity = try Files.status(of: "\(directory)/keeper-big.log").identity
            let result = try sweep(world, 50)
            #expect(result.examined == 3 && result.truncated == 1 && result.bytesFreed == 100)
            #expect(result.inUse == 1 && result.failed == 0)
            #expect(result.bytes == 1 + result.largest, "that of the live session, and the small one")
            #expect(world.text("s/keeper-launch-big.log").count == 100, "launch logs are left alone")
            #expect(try Files.status(of: "\(directory)/keeper-big.log").identity == identity)
            #expect(world.text("s/keeper-big.log").isEmpty)
            #expect(world.text("s/other.log").count == 100)
            #expect(world.text("s/keeper-small.log") == "x")
            #expect(world.text("s/keeper-live.log").contains("keeper starting"))
            let again = try sweep(world, 50)
            #expect(again.examined == 3 && again.truncated == 0 && again.inUse == 1)
            let totals = world.manager.logTotals
            #expect(totals.files == 3 && totals.reclaimed == 100 && totals.bytes == again.bytes)
            let patient = try world.result { world.manager.sweepLogs(from: 1, completion: $0) }.get()
            #expect(patient.truncated == 0, "somebody wrote to them a moment ago")
        }
    }

    @Test("a log below the limit stays, one at it is cut, and a link is not followed")
    func bounds() throws {
        try withWorld { world throws in
            let directory = world.paths.directory
            try Files.makeDirectory(at: directory)
            try world.write("12345", to: "\(directory)/keeper-a.log")
            try world.write("123456", to: "\(directory)/keeper-b.log")
            try world.write("precious", to: world.path("precious"))
            try world.start(["ln", "-s", world.path("precious"), "\(directory)/keeper-link.log"])
            try world.eventually { world.exists("\(directory)/keeper-link.log") }
            try Files.makeDirectory(at: "\(directory)/keeper-directory.log")
            let result = try sweep(world, 6)
            #expect(result.examined == 4)
            #expect(result.truncated == 1)
            #expect(result.bytesFreed == 6)
            #expect(result.failed == 2)
            #expect(world.text("precious") == "precious")
            #expect(world.text("s/keeper-a.log") == "12345")
        }
    }

    @Test("the totals are those after the cut") func afterCut() throws {
        try withWorld { world throws in
            try Files.makeDirectory(at: world.paths.directory)
            for (name, count) in [("a", 10), ("b", 300), ("c", 20), ("d", 100)] {
                try world.write(String(repeating: "x", count: count), to: "\(world.paths.directory)/keeper-\(name).log")
            }
            let result = try sweep(world, 100)
            #expect(result.truncated == 2 && result.bytesFreed == 400 && result.bytes == 30 && result.largest == 20)
            let totals = world.manager.logTotals
            #expect(totals == LogTotals(files: 4, bytes: 30, largest: 20, reclaimed: 400))
        }
    }

    @Test(
        "logs may have any sizes: sums end at the largest number",
        .enabled(if: hasMemoryFiles, "only files in memory can be of any size"))
    func hugest() throws {
        let directory = Self.memoryDirectory
        defer { removeTree(directory) }
        try withWorld(options: { $0.sessionsDirectory = directory }) { world throws in
            try Files.makeDirectory(at: directory)
            func enlarge() throws {
                for name in ["a", "b", "c"] { try Self.makeHuge("\(directory)/keeper-\(name).log") }
            }
            try enlarge()
            let seen = try sweep(world, Int.max).bytes
            #expect(seen == 0, "they are at the limit, and were cut")
            #expect(world.manager.logTotals.reclaimed == .max)
            try enlarge()
            let patient = try world.result { world.manager.sweepLogs(completion: $0) }.get()
            #expect(patient.inUse == 3 && patient.bytes == .max && patient.largest == UInt64(Int64.max))
            #expect(try sweep(world, 1).bytesFreed == .max)
            #expect(world.manager.logTotals == LogTotals(files: 3, bytes: 0, largest: 0, reclaimed: .max))
        }
    }

    private static var memoryDirectory: String { "/dev/shm/uvk-\(String(UInt64.random(in: .min ... .max), radix: 36))" }

    private static func makeHuge(_ path: String) throws {
        try Files.unlinkIfPresent(path)
        let file = try OpenFile(path, .createNew)
        defer { file.close() }
        try file.truncate(to: UInt64(Int64.max))
    }

    private static var hasMemoryFiles: Bool {
        let directory = memoryDirectory
        defer { removeTree(directory) }
        do {
            try Files.makeDirectory(at: directory)
            try makeHuge(directory + "/f")
            return true
        } catch {
            return false
        }
    }

    @Test("a missing directory has no logs, a closed manager sweeps nothing")
    func nothing() throws {
        try withWorld { world throws in
            #expect(try sweep(world, 1) == LogSweep())
            world.manager.close()
            let result = try world.result { world.manager.sweepLogs(completion: $0) }
            #expect(result == .failure(.closed))
        }
    }
}
