import TestSupport
import UVLoop

extension KeeperHome {
    /// The pids that processes have written to files of these names, once all have.
    func pids(_ names: [String]) throws -> [Int32] {
        try until("the processes run") { names.allSatisfy { text($0)?.hasSuffix("\n") == true } }
        return names.map { Int32(text($0)!.dropLast())! }
    }
}

extension Processes {
    static func isGone(_ pid: Int32) -> Bool { liveness(of: pid) == .gone }
}
