/// The check that sampled figures do not keep growing.
enum Growth {
    /// The least number of samples for a judgement.
    static let sampleCount = 16

    /// The tolerated growth of descriptors and handles.
    private static let connections = 8
    /// The tolerated growth of the server's memory, in bytes: more than waiting lines take on a slow machine.
    private static let serverMemory = 16 << 20
    /// The tolerated growth of a keeper's memory, in bytes: its heap may settle later.
    private static let keeperMemory = 1 << 20

    /// Compares the second quarter of a run, when everything has warmed up, with the last.
    static func check(_ samples: [Sample], into violations: inout Violations, notes: inout [String]) {
        guard samples.count >= Growth.sampleCount else {
            return notes.append("\(samples.count) samples are too few to tell whether anything grows")
        }
        let quarter = samples.count / 4
        let early = samples[quarter..<quarter * 2]
        let late = samples[(samples.count - quarter)...]
        // A figure has grown if its least value at the end exceeds its greatest at the beginning by more than the
        // slack.
        let grew = { (value: (Sample) -> Int?, slack: Int) -> (Int, Int)? in
            guard let most = early.compactMap(value).max(), let least = late.compactMap(value).min(),
                least > most + slack
            else { return nil }
            return (most, least)
        }
        if let (from, to) = grew({ $0.descriptors }, connections) {
            violations.add(.descriptorLeft, "they grew from \(from) to \(to)")
        }
        if let (from, to) = grew({ $0.handles }, connections) {
            violations.add(.handleLeft, "they grew from \(from) to \(to)")
        }
        if let (from, to) = grew({ $0.keeperDescriptors }, connections) {
            violations.add(.descriptorLeft, "those of a keeper grew from \(from) to \(to)")
        }
        if let (from, to) = grew({ $0.keeperMemory.map { Int($0) } }, keeperMemory) {
            violations.add(
                .memoryGrown, "a keeper's, from \(Texts.bytes(Double(from))) to \(Texts.bytes(Double(to)))")
        }
        if let (from, to) = grew({ Int($0.memory) }, serverMemory) {
            violations.add(
                .memoryGrown, "the server's, from \(Texts.bytes(Double(from))) to \(Texts.bytes(Double(to)))")
        }
        if let from = early.last?.memory, let to = late.last?.memory {
            notes.append("memory of this process: \(Texts.bytes(Double(from))), at the end \(Texts.bytes(Double(to)))")
        }
    }
}
