import UVKeeper

/// How the lives of a session end.
extension Session {
    /// False if the life before has ended, and nobody has been told yet; true while it goes on.
    var isEndKnown: Bool {
        guard let life = lives.last, !life.hasFailed, let keeper = life.keeper else { return true }
        return keeper.isRunning || life.end != nil
    }

    /// True if the last life has ended, or was never begun here, and all is known of it.
    var isOver: Bool { isEndKnown && lives.last?.keeper?.isRunning != true }

    /// Keeps what is said of the end of a life, before another keeper replaces it.
    func note(_ exit: SessionExit?, as life: Life) {
        let record = manager.session(name).record
        let text = (try? Files.read(manager.paths.record(for: name), limit: 1 << 20)) ?? []
        life.end = LifeEnd(
            told: exit, record: record, recordText: String(decoding: text, as: UTF8.self), ownWritten: toldWritten,
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
