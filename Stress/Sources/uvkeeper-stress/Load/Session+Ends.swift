import UVKeeper

/// The ends of a session's lives.
extension Session {
    /// False if the previous life has ended, and the end was not reported yet; true while it goes on.
    var isEndKnown: Bool {
        guard let life = lives.last, !life.hasFailed, let keeper = life.keeper else { return true }
        return keeper.isRunning || life.end != nil
    }

    /// True if the last life has ended, or was never begun here, and its end is known.
    var isOver: Bool { isEndKnown && lives.last?.keeper?.isRunning != true }

    /// Keeps the reports of a life's end, before another keeper replaces the record.
    func note(_ exit: SessionExit?, as life: Life) {
        let record = manager.session(name).record
        let text = (try? Files.read(manager.paths.record(for: name), limit: 1 << 20)) ?? []
        life.end = LifeEnd(
            told: exit, record: record, recordText: String(decoding: text, as: UTF8.self), ownWritten: toldWritten,
            ownHandedOver: toldHandedOver,
            serverWritten: record.map { serverWritten(in: $0.epoch) } ?? 0, survivors: life.survivors)
    }

    private func serverWritten(in epoch: String) -> Int {
        guard let journal, journal.epoch == epoch else { return 0 }
        let first = settings.firstWriter + settings.writers
        for number in stride(from: journal.count, to: 0, by: -1) {
            let line = journal[number]
            let index = line.writer - first
            guard driven.indices.contains(index), line.sequence < driven[index].count else { continue }
            if driven[index][line.sequence].outcome == .written { return number }
        }
        return 0
    }
}
