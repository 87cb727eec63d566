import UVKeeper

/// What a run must not leave behind.
enum Remains {
    /// Looks for processes, files and descriptors of the run, gives what is ending a few seconds, and ends what stays.
    static func check(_ run: RunDirectory, descriptorsBefore before: Int, into violations: inout Violations) {
        let deadline = LibUV.monotonicTime + .seconds(5)
        var processes = run.processes()
        while !processes.isEmpty, LibUV.monotonicTime < deadline {
            pause()
            processes = run.processes()
        }
        for pid in processes {
            let arguments = ProcessDetails.arguments(of: pid)?.prefix(3).joined(separator: " ") ?? "?"
            violations.add(.processLeft, "\(pid): \(arguments)")
            // Found by the mark of this run, so nobody else's.
            try? Processes.send(.kill, to: pid)
        }
        let files = run.leftovers()
        violations.add(.fileLeft, count: files.count, files.prefix(4).joined(separator: " "))
        let after = OpenDescriptors.count
        violations.add(.descriptorLeft, count: after - before, "\(before) before, \(after) after")
    }

    private static func pause() {
        guard let loop = try? Loop() else { return }
        if let timer = try? TimerHandle(on: loop) { timer.start(after: .milliseconds(50)) { $0.close() } }
        loop.run()
        try? loop.close()
    }
}
