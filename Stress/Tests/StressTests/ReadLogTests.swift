import TestSupport
import Testing

@testable import uvkeeper_stress

@Suite struct ReadLogTests {
    @Test("bytes that follow each other are one entry, and what another process reads is the same") func merged() throws
    {
        try withTemporaryDirectory { directory in
            let log = try ReadLog("\(directory)/o")
            log.note(.begins, 5..<9, epoch: 3, offered: 8, time: 1, start: .end)
            log.note(.bytes, 5..<7, epoch: 3, offered: 9, time: 2)
            log.note(.bytes, 7..<9, epoch: 3, offered: 10, time: 3)
            log.note(.bytes, 10..<11, epoch: 3, offered: 11, time: 4)
            log.note(.gap, 11..<12, epoch: 3, offered: 12, time: 5)
            let other = try ReadLog("\(directory)/o")
            #expect(other.count == 4)
            #expect(other[0].start == .end && other[0].range == 5..<9 && other[0].epoch == 3 && other[0].offered == 8)
            #expect(other[1].event == .bytes && other[1].range == 5..<9 && other[1].offered == 10 && other[1].time == 3)
            #expect(other[2].range == 10..<11)
            #expect(other[3].event == .gap && other[3].range == 11..<12)
        }
    }

    @Test("a reader goes on where the one before it was, unless that had come to an end") func place() throws {
        try withTemporaryDirectory { directory in
            let log = try ReadLog("\(directory)/o")
            func note(_ event: ReadLog.Event, _ range: Range<UInt64>) {
                log.note(event, range, epoch: 3, offered: 100, time: 1)
            }
            #expect(log.place == nil)
            note(.begins, 5..<9)
            #expect(log.place == ReadLog.Place(epoch: 3, offset: 5))
            note(.bytes, 5..<7)
            note(.gap, 7..<9)
            note(.wrong, 6..<7)
            note(.failed, 9..<9)
            note(.stopped, 9..<9)
            #expect(log.place == ReadLog.Place(epoch: 3, offset: 9))
            note(.ends, 9..<9)
            #expect(log.place == nil)
        }
    }

    @Test("a log that is full takes nothing more") func full() throws {
        try withTemporaryDirectory { directory in
            let log = try ReadLog("\(directory)/o")
            while !log.isFull { log.note(.gap, 1..<2, epoch: 1, offered: 2, time: 1) }
            for _ in 0..<5 { log.note(.gap, 1..<2, epoch: 1, offered: 2, time: 1) }
            #expect(log.count == ReadLog.capacity)
        }
    }
}
