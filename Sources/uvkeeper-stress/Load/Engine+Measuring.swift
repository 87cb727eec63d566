import UVKeeper

/// What a run is measured by while it goes on.
extension Engine {
    func sample(measuringKeepers: Bool) -> Sample {
        let driven = server.map { (written: $0.vitals[.written], bytes: $0.vitals[.bytes], lag: $0.takeLag()) }
        return Sample(
            time: seconds, lines: tally.written + (driven?.written ?? 0), bytes: tally.bytes + (driven?.bytes ?? 0),
            lag: Double(max(sampler.takeRecent(), driven?.lag ?? 0)) / 1000, descriptors: OpenDescriptors.count,
            handles: loop.openHandles.count, memory: ProcessDetails(of: Processes.currentID)?.residentMemory ?? 0,
            keepers: measuringKeepers ? sessions.compactMap { $0.current.flatMap { Memory.of($0.keeperPID) } } : [])
    }

    /// Notes when this loop is kept waiting; a server tells its harness.
    func watchLoop() {
        let before = role.vitals.map { (written: $0[.written], bytes: $0[.bytes]) } ?? (written: 0, bytes: 0)
        sampler.onTick = { [unowned self] late in
            guard let vitals = role.vitals else {
                if late > LoopLag.stall { faults.append(FaultRecord(stalledFor: late, until: clock.microseconds)) }
                return
            }
            vitals[.written] = before.written + tally.written
            vitals[.bytes] = before.bytes + tally.bytes
            vitals[.handles] = loop.openHandles.count
            vitals.note(lag: late, at: clock.microseconds)
        }
    }

    /// Notes when a keeper or a child is kept waiting for a processor.
    func watchKeepers() throws(UVError) -> StarvationWatch {
        try StarvationWatch(on: loop, clock: clock) { [unowned self] in
            sessions.flatMap { session in
                (session.current.map { [$0.keeperPID, $0.childPID] } ?? []).map { (session.index, $0) }
            }
        } onStarved: { [unowned self] in
            faults.append($0)
        }
    }
}
