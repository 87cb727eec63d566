import UVKeeper

/// The measurements of a run while it goes on.
extension Engine {
    func sample(measuringKeepers: Bool) -> Sample {
        server?.takeLines { tally.note($0) }
        let lag = max(sampler.takeRecent(), server?.takeLag() ?? 0)
        return Sample(
            time: seconds, lines: tally.written, bytes: tally.bytes, lag: Double(lag) / 1000,
            descriptors: OpenDescriptors.count, handles: loop.openHandles.count,
            memory: Memory.own,
            keepers: measuringKeepers ? keeperPIDs.compactMap { Memory.of($0) } : [],
            keeperDescriptors: measuringKeepers ? keeperPIDs.map { OpenDescriptors.count(of: $0) }.max() : nil,
            keeperMemory: measuringKeepers ? keeperPIDs.compactMap { Memory.withoutFiles(of: $0) }.max() : nil)
    }

    private var keeperPIDs: [Int32] { sessions.compactMap { $0.current?.keeperPID } }

    /// The number of lines that were reported written and have not arrived, lost or on their way: a lower bound, since
    /// lines with an unknown outcome arrive too.
    var missing: Int {
        let arrived = sessions.flatMap(\.lives).reduce(0) { $0 + Int($1.receipts[.lines]) }
        return max(0, tally.written - arrived)
    }

    /// Makes a server report its loop's lateness to its harness.
    func watchLoop() {
        guard let vitals = role.vitals else { return }
        sampler.onTick = { [unowned self] late in
            vitals[.handles] = loop.openHandles.count
            vitals.note(lag: late, at: clock.microseconds)
        }
    }

    /// Notes the times when a process of the run is kept waiting for a processor.
    func watchProcesses() throws(UVError) -> StarvationWatch {
        StarvationWatch(on: loop, clock: clock) { [unowned self] in
            (sessions + waves).flatMap(\.watched) + (server?.watched ?? [])
        } onStarved: { [unowned self] in
            faults.append($0)
        }
    }
}
