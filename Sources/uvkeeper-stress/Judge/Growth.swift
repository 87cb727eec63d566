/// Whether what is sampled keeps growing.
enum Growth {
    /// So many at least, or nothing can be told.
    static let sampleCount = 16

    /// Compares the second quarter of a run, when everything has warmed up, with the last.
    static func check(_ samples: [Sample], into violations: inout Violations, notes: inout [String]) {
        guard samples.count >= Growth.sampleCount else {
            return notes.append("\(samples.count) samples are too few to tell whether anything grows")
        }
        let quarter = samples.count / 4
        let early = samples[quarter..<quarter * 2]
        let late = samples[(samples.count - quarter)...]
        // Even the least of the end is more than the most of the beginning, by more than a handful of connections.
        let grew = { (value: (Sample) -> Int) -> (Int, Int)? in
            guard let most = early.map(value).max(), let least = late.map(value).min(), least > most + 8 else {
                return nil
            }
            return (most, least)
        }
        if let (from, to) = grew(\.descriptors) { violations.add(.descriptorLeft, "they grew from \(from) to \(to)") }
        if let (from, to) = grew(\.handles) { violations.add(.handleLeft, "they grew from \(from) to \(to)") }
        if let from = early.last?.memory, let to = late.last?.memory {
            notes.append("memory of this process: \(Texts.bytes(Double(from))), at the end \(Texts.bytes(Double(to)))")
        }
    }
}
