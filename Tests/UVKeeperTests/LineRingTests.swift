import TestSupport
import Testing

@testable import UVKeeper

@Suite struct LineRingTests {
    /// What a ring should hold: lines by their first byte, and numbers of those that have left.
    private struct Model {
        var sent: [(id: UInt64, sequence: UInt64)] = []
        var unsent: [UInt64] = []
        var last: UInt64 = 0
        var nextID: UInt64 = 1
    }

    private func line(_ id: UInt64, _ deadline: WriteDeadline = .untilSessionEnds) -> WaitingLine {
        WaitingLine(
            id: id, bytes: Array("line \(id)".utf8), byteCount: "line \(id)".utf8.count + 1, completion: { _ in },
            deadline: deadline, expiresAt: nil)
    }

    private func message(_ id: UInt64, _ sequence: UInt64) -> String {
        "write \(sequence) \("line \(id)".utf8.count)\nline \(id)\n"
    }

    @Test("lines are numbered, sent, sent again, taken and put back in their order, whatever comes first")
    func order() {
        var random = SystemRandomNumberGenerator()
        let ring = LineRing()
        var model = Model()
        for _ in 0..<20_000 {
            switch Int.random(in: 0..<9, using: &random) {
            case 0...2:
                let isFirst = model.unsent.isEmpty
                #expect(ring.append(line(model.nextID)) == isFirst)
                model.unsent.append(model.nextID)
                model.nextID += 1
            case 3:
                let size = Int.random(in: 0..<400, using: &random)
                let (messages, haveAttempts) = ring.send(size, after: &model.last, longest: .max, until: .zero)
                #expect(!haveAttempts)
                var expected = ""
                let first = model.last - UInt64(ring.sentCount - model.sent.count)
                for sequence in first..<model.last {
                    let id = model.unsent.removeFirst()
                    expected += message(id, sequence + 1)
                    model.sent.append((id, sequence + 1))
                }
                #expect(String(decoding: messages, as: UTF8.self) == expected)
                #expect(messages.isEmpty == (model.last == first))
                #expect(messages.count <= max(size, 100))
            case 4:
                let upTo = (model.sent.first?.sequence ?? 1) + UInt64.random(in: 0..<5, using: &random)
                let taken = ring.take(upTo: upTo)
                #expect(taken.map(\.sequence) == model.sent.map(\.sequence).filter { $0 <= upTo })
                taken.deinitialize()
                taken.deallocate()
                model.sent.removeAll { $0.sequence <= upTo }
            case 5:
                guard let id = model.unsent.randomElement(using: &random) else { continue }
                #expect(ring.take(.unsent) { $0.id == id }.map(\.id) == [id])
                model.unsent.removeAll { $0 == id }
            case 6:
                let above = (model.sent.randomElement(using: &random)?.sequence ?? 0)
                let again = model.sent.filter { $0.sequence > above }.map { message($0.id, $0.sequence) }
                #expect(String(decoding: ring.messages(above: above), as: UTF8.self) == again.joined())
            case 7:
                guard Int.random(in: 0..<20, using: &random) == 0 else { continue }
                let taken = ring.takeAll(.sent)
                #expect(taken.map(\.id) == model.sent.map(\.id))
                ring.putBack(taken)
                model.unsent = model.sent.map(\.id) + model.unsent
                model.sent = []
            default:
                let isOdd = { (line: borrowing WaitingLine) in line.id % 7 == 1 }
                #expect(ring.take(.sent, where: isOdd).map(\.id) == model.sent.map(\.id).filter { $0 % 7 == 1 })
                model.sent.removeAll { $0.id % 7 == 1 }
            }
            #expect(ring.sentCount == model.sent.count && ring.count == model.sent.count + model.unsent.count)
        }
        var unsent: [UInt64] = []
        ring.forEachUnsent {
            unsent.append($0.id)
            return true
        }
        #expect(unsent == model.unsent)
    }

    @Test("a line that is longer than the rest takes, or than a keeper does, is sent alone, or not at all")
    func longest() {
        let ring = LineRing()
        var last: UInt64 = 0
        let long = [UInt8](repeating: 0x78, count: 1000)
        for bytes in [long, [0x61], long] {
            _ = ring.append(
                WaitingLine(
                    id: 1, bytes: bytes, byteCount: bytes.count + 1, completion: { _ in }, deadline: .attempts,
                    expiresAt: nil))
        }
        let first = ring.send(100, after: &last, longest: 1001, until: .seconds(9))
        #expect(first.messages == Array("write 1 1000\n".utf8) + long + [0x0A] && first.haveAttempts)
        #expect(ring.earliest(.sent) == .seconds(9) && ring.earliest(.unsent) == nil)
        #expect(ring.send(100, after: &last, longest: 500, until: .zero).messages == Array("write 2 1\na\n".utf8))
        #expect(ring.send(100, after: &last, longest: 500, until: .zero).messages.isEmpty)
        #expect(ring.takeFirst(longerThan: 500).count == 1 && ring.isEmpty(.unsent) && last == 2)
    }

    @Test("a line whose time is over stays, with its number, and is told once")
    func told() {
        let ring = LineRing()
        var last: UInt64 = 0
        for _ in 0..<2 { _ = ring.append(line(1, .attempts)) }
        _ = ring.send(0, after: &last, longest: .max, until: .seconds(1))
        #expect(ring.hasUntold)
        let late = ring.expire(.seconds(1))
        #expect(late.sent.count == 1 && late.unsent.isEmpty && !ring.hasUntold && ring.sentCount == 1)
        #expect(ring.expire(.seconds(2)).sent.isEmpty && ring.earliest(.sent) == nil)
        let failed = (0..<3).map { _ in ring.failAttempt() }
        #expect(failed.map(\.sent.count) == [0, 0, 0] && failed.map(\.unsent.count) == [0, 0, 1])
        let taken = ring.takeAll(.sent)
        #expect(taken.map(\.isTold) == [true])
        ring.putBack(taken)
        #expect(ring.isEmpty(.unsent))
    }
}
