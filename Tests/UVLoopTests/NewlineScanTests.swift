import Testing
import UVLoop

@Suite("Newline scan")
struct NewlineScanTests {
    @Test("The first and the last newline are found, at every length and position")
    func findsEnds() {
        for count in [0, 1, 7, 31, 32, 33, 63, 64, 65, 70] {
            for first in 0..<max(count, 1) {
                for last in first..<max(count, 1) {
                    // The filler is 0x0B, the value after the newline's, which a careless word-wise search mistakes for
                    // one.
                    var bytes = [UInt8](repeating: 0x0B, count: count)
                    let isFound = first < count
                    if isFound {
                        bytes[first] = 0x0A
                        bytes[last] = 0x0A
                    }
                    let found = bytes.withUnsafeBytes { (NewlineScan.first(in: $0), NewlineScan.last(in: $0)) }
                    guard found == (isFound ? (first, last) : (nil, nil)) else {
                        Issue.record("\(count) bytes, newlines at \(first) and \(last): found \(found)")
                        return
                    }
                }
            }
        }
    }

    @Test("No other byte is taken for a newline")
    func ignoresOthers() {
        for byte in UInt8.min...UInt8.max where byte != 0x0A {
            [UInt8](repeating: byte, count: 71).withUnsafeBytes {
                #expect(NewlineScan.first(in: $0) == nil)
                #expect(NewlineScan.last(in: $0) == nil)
            }
        }
    }

    @Test("There is no newline in no bytes")
    func bearsNil() {
        #expect(NewlineScan.first(in: .init(start: nil, count: 0)) == nil)
        #expect(NewlineScan.last(in: .init(start: nil, count: 0)) == nil)
    }
}
