import TestSupport
import Testing

@testable import UVLoop

@Suite("WriteQueue") struct WriteQueueTests {
    /// A queue, and the outcomes of its completions.
    private final class Fixture {
        var queue: WriteQueue
        /// The log is an object of its own, since completions that are never called would keep the fixture.
        private let log = Log()

        private final class Log { var told: [String] = [] }

        var told: [String] { log.told }

        init(isConnected: Bool = true) { queue = WriteQueue(isConnected: isConnected) }

        @discardableResult
        func write(_ parts: [UInt8]..., taken: Int = 0, as name: String) -> WriteQueue.Submission {
            queue.took(taken)
            let memory = parts.map { part in
                let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: part.count, alignment: 1)
                memory.copyBytes(from: part)
                return memory
            }
            defer { for part in memory { part.deallocate() } }
            return memory.map { UnsafeRawBufferPointer($0) }.withUnsafeBufferPointer { parts in
                queue.submit(parts, taken: taken) { [log] in
                    log.told.append("\(name) \($0.map { "\($0.name)" } ?? "ok")")
                }
            }
        }

        /// Returns the bytes that libuv would be given now.
        func startWriting() -> [UInt8]? { queue.startWriting().map(Array.init) }

        func deliver() {
            while let (run, error) = queue.takeCompletion() { run(error) }
        }
    }

    @Test("a write that was taken at once completes, and leaves nothing") func taken() {
        let fixture = Fixture()
        #expect(fixture.write([1, 2], taken: 2, as: "a") == .taken)
        #expect(fixture.startWriting() == nil && fixture.queue.isClear)
        #expect(fixture.told.isEmpty, "not before it is delivered")
        fixture.deliver()
        #expect(fixture.told == ["a ok"])
    }

    @Test("what was not taken waits, in order, across the parts of a write", arguments: 0...6)
    func parts(taken: Int) {
        let fixture = Fixture()
        let submission = fixture.write([1, 2], [], [3], [4, 5, 6], taken: taken, as: "a")
        #expect(submission == (taken == 6 ? .taken : .queued))
        #expect(fixture.startWriting() == (taken == 6 ? nil : Array([1, 2, 3, 4, 5, 6].dropFirst(taken))))
    }

    @Test("writes queue up for one write by libuv, while the next ones collect") func collects() {
        let fixture = Fixture()
        fixture.write([1], as: "a")
        fixture.write([2], as: "b")
        #expect(fixture.startWriting() == [1, 2])
        fixture.write([3], as: "c")
        #expect(fixture.startWriting() == nil, "one at a time")
        fixture.queue.wrote(nil)
        fixture.deliver()
        #expect(fixture.told == ["a ok", "b ok"])
        #expect(fixture.startWriting() == [3])
    }

    @Test("nothing is handed out before the connect, nor completes, not even a write of no bytes") func connecting() {
        let fixture = Fixture(isConnected: false)
        fixture.write([], as: "a")
        fixture.write([1], as: "b")
        fixture.deliver()
        #expect(fixture.startWriting() == nil && fixture.told.isEmpty)
        fixture.queue.connected()
        fixture.deliver()
        #expect(fixture.told == ["a ok"])
        #expect(fixture.startWriting() == [1])
    }

    @Test("a failed connect fails every write, those of no bytes and those that come later") func failedConnect() {
        let fixture = Fixture(isConnected: false)
        fixture.write([], as: "a")
        fixture.write([1], as: "b")
        fixture.queue.fail(.connectionRefused)
        #expect(fixture.write([2], as: "c") == .failed)
        fixture.deliver()
        #expect(fixture.told == ["a ECONNREFUSED", "b ECONNREFUSED", "c ECONNREFUSED"])
        #expect(fixture.startWriting() == nil)
    }

    @Test("a failure spares the writes that the kernel had") func failure() {
        let fixture = Fixture()
        fixture.write([1], taken: 1, as: "a")
        fixture.write([2], as: "b")
        _ = fixture.startWriting()
        fixture.write([3], as: "c")
        fixture.queue.wrote(.brokenPipe)
        fixture.deliver()
        #expect(fixture.told == ["a ok", "b EPIPE", "c EPIPE"])
        #expect(fixture.queue.error == .brokenPipe)
    }

    @Test("the completions of many failed writes come in order, with those that fail meanwhile") func manyFailures() {
        let fixture = Fixture()
        let names = (0..<1000).map { "\($0)" }
        for name in names { fixture.write([1], as: name) }
        fixture.queue.fail(.brokenPipe)
        for count in 1...200 {
            let (run, error) = fixture.queue.takeCompletion()!
            run(error)
            #expect(fixture.queue.completionCount == 1000 - count)
        }
        fixture.write([1], as: "late")
        fixture.queue.fail(.canceled)
        fixture.deliver()
        #expect(fixture.told == (names + ["late"]).map { "\($0) EPIPE" })
        #expect(fixture.queue.completionCount == 0)
    }

    @Test("want of memory fails what comes, and what libuv is writing goes on", arguments: [nil, UVError.brokenPipe])
    func memory(end: UVError?) {
        let fixture = Fixture()
        fixture.write([1], as: "a")
        _ = fixture.startWriting()
        fixture.queue.memoryLimit = 10
        #expect(fixture.write([UInt8](repeating: 2, count: 11), as: "b") == .outOfMemory)
        #expect(fixture.write([3], as: "c") == .failed)
        fixture.deliver()
        #expect(fixture.told.isEmpty, "a comes first")
        fixture.queue.wrote(end)
        fixture.deliver()
        #expect(fixture.told == [end == nil ? "a ok" : "a EPIPE", "b ENOMEM", "c ENOMEM"])
    }

    @Test("a close in the middle of a write counts what libuv had written") func close() {
        let fixture = Fixture()
        fixture.write([1], as: "a")
        fixture.write([2, 3], as: "b")
        _ = fixture.startWriting()
        #expect(fixture.queue.acceptedByteCount(unwritten: 2) == 1)
        fixture.queue.close(unwritten: 2)
        fixture.queue.fail(.canceled)
        fixture.deliver()
        #expect(fixture.queue.finished == 1)
        #expect(fixture.told == ["a ok", "b ECANCELED"])
    }

    @Test("whatever happens, every completion comes once and in order, and bytes go out in order", arguments: 0..<50)
    func random(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let fixture = Fixture(isConnected: seed % 3 != 0)
        var names: [String] = []
        var (next, sent) = (UInt8(0), [UInt8]())
        var inFlight: [UInt8]?
        for _ in 0..<400 {
            switch random.next() % 8 {
            case 0...3:
                let bytes = (0..<Int(random.next() % 5)).map { _ in
                    next &+= 1
                    return next
                }
                let taken = fixture.queue.isClear ? Int(random.next() % 6) : 0
                sent += bytes.prefix(taken)
                names.append("\(names.count)")
                fixture.write(bytes, taken: min(taken, bytes.count), as: names.last!)
            case 4: if let bytes = fixture.startWriting() { inFlight = bytes }
            case 5:
                guard let bytes = inFlight, fixture.queue.isWriting else { continue }
                sent += bytes
                inFlight = nil
                fixture.queue.wrote(nil)
            case 6: fixture.deliver()
            default: if case .connecting = fixture.queue.state { fixture.queue.connected() }
            }
        }
        // The bytes are in order: each is one more than the one before.
        #expect(zip(sent, sent.dropFirst()).allSatisfy { $0 &+ 1 == $1 })
        fixture.queue.fail(.canceled)
        fixture.deliver()
        #expect(fixture.told.map { String($0.prefix { $0 != " " }) } == names)
        let firstFailed = fixture.told.firstIndex { !$0.hasSuffix("ok") } ?? fixture.told.endIndex
        #expect(fixture.told[firstFailed...].allSatisfy { $0.hasSuffix("ECANCELED") })
    }
}
