import Testing

@testable import UVLoop

@Suite("The completions that wait") struct WaitersTests {
    private final class Told { var numbers: [UInt64] = [] }

    /// Adds the completions of writes that end at these places.
    private func append(_ ends: some Sequence<UInt64>, to waiters: inout Waiters, _ told: Told) {
        for end in ends { waiters.append({ _ in told.numbers.append(end) }, end: end) }
    }

    @Test("are handed out in order, up to a place, while others are added") func order() {
        let told = Told()
        var waiters = Waiters()
        var (added, place) = (UInt64(0), UInt64(0))
        for round in 0..<UInt64(200) {
            append(added + 1...added + 100, to: &waiters, told)
            added += 100
            // All completions are taken now and then, otherwise some.
            place = round % 50 == 49 ? added : place + 80
            while let completion = waiters.takeFirst(upTo: place) { completion(nil) }
            let count = waiters.count
            #expect(told.numbers.count == Int(place) && count == Int(added - place))
        }
        #expect(told.numbers == Array(1...added))
    }

    @Test("are taken from a place on; the others stay, and more can follow", arguments: [0, 1, 5, 10])
    func taking(from place: UInt64) {
        let told = Told()
        var waiters = Waiters()
        append(1...10, to: &waiters, told)
        let first = waiters.takeFirst(upTo: 1)
        #expect(first != nil)
        for completion in waiters.takeAll(after: place) { completion(nil) }
        #expect(told.numbers == (max(place, 1)..<10).map { $0 + 1 })
        let isNoneLeft = waiters.takeAll(after: place).isEmpty
        #expect(isNoneLeft)
        append([11], to: &waiters, told)
        told.numbers = []
        for completion in waiters.takeAll() { completion(nil) }
        #expect(told.numbers == (1..<max(place, 1)).map { $0 + 1 } + [11])
    }

    @Test("hold what they need until they are handed out, or nobody wants them any more") func release() {
        weak var first: Told?
        weak var second: Told?
        do {
            var waiters = Waiters()
            do {
                let (one, two) = (Told(), Told())
                (first, second) = (one, two)
                append(1...1000, to: &waiters, one)
                append(1001...2000, to: &waiters, two)
            }
            while waiters.takeFirst(upTo: 1000) != nil {}
            #expect(first == nil && second != nil)
        }
        #expect(second == nil)
    }
}
