import KeeperProtocol
import Testing

@Suite struct KeptRangeTests {
    @Test("a range is read as it was written")
    func roundTrip() {
        for (start, end) in [(0, 0), (0, 512), (512, 512), (1, 999_999_999_999_999)] as [(UInt64, UInt64)] {
            let range = KeptRange(start: start, end: end)
            #expect(KeptRange(range.json) == range)
        }
    }

    @Test(
        "what has no start and end in order is no range",
        arguments: [nil, 5, [], [:], ["start": 0], ["end": 0], ["start": 2, "end": 1], ["start": "0", "end": 1]]
            as [JSONValue?]
    )
    func others(json: JSONValue?) {
        #expect(KeptRange(json) == nil)
    }
}
