/// Lines that wait for the child's pipe, as runs of one door each: tells how many bytes wait for each door.
struct LineRuns {
    private var runs: [(door: ChildInput.Door, begin: UInt64, end: UInt64)] = []
    /// The index of the first run that is not fully written.
    private var first = 0
    private var byteCounts = [0, 0]
    /// The offset up to which written bytes have been subtracted from the counts.
    private var accounted: UInt64 = 0

    /// The door of the line of which a part was written; nil if the bytes that wait begin with a line of another door than
    /// the last one.
    func doorOfPart(written: UInt64) -> ChildInput.Door? {
        guard first < runs.count, runs[first].begin < written else { return nil }
        return runs[first].door
    }

    func byteCount(from door: ChildInput.Door) -> Int { byteCounts[door.rawValue] }

    /// Notes that lines wait.
    ///
    /// - Parameters:
    ///   - byteCount: the number of their bytes that wait.
    ///   - range: their place in everything taken.
    mutating func append(_ byteCount: Int, from door: ChildInput.Door, _ range: Range<UInt64>) {
        let end = range.upperBound
        if first == runs.count { accounted = end - UInt64(byteCount) }
        byteCounts[door.rawValue] += byteCount
        if first < runs.count, runs[runs.count - 1].door == door {
            runs[runs.count - 1].end = end
        } else {
            runs.append((door, range.lowerBound, end))
        }
    }

    /// Notes that everything before an offset was written.
    mutating func noteWritten(upTo written: UInt64) {
        while first < runs.count {
            let run = runs[first]
            let end = min(run.end, written)
            guard end > accounted else { return }
            byteCounts[run.door.rawValue] -= Int(end - accounted)
            accounted = end
            guard end == run.end else { return }
            first += 1
            if first == runs.count || first > 64 {
                runs.removeFirst(first)
                first = 0
            }
        }
    }
}
