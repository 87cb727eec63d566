import UVKeeper
import UVKeeperAsync

extension Keepers {
    /// Says why the sessions directory cannot be used.
    func checkDirectory() throws(KeeperError) { try manager.checkSessionsDirectory() }

    /// A session as its files tell of it; nil if there is none of this name.
    func glance(at id: SessionID) -> SessionView? {
        manager.session(id).record.map { SessionView($0) } ?? manager.status(of: id).map { SessionView($0) }
    }

    /// A session as it is now; nil if there is none of this name.
    func view(of id: SessionID) async -> SessionView? {
        let session = session(id)
        guard let record = await session.record() else {
            return manager.status(of: id).map { SessionView($0) }
        }
        var view = SessionView(record)
        guard record.exit == nil else { return view }
        if let status = await answer(of: session) {
            view.add(status)
        } else {
            // It has ended meanwhile, its keeper is dead, or too busy to answer.
            if let record = await session.record() { view = SessionView(record) }
            if view.exit == nil, manager.status(of: id)?.state ?? .stale == .stale { view.state = .lost }
        }
        return view
    }

    /// Nil if its keeper does not answer.
    private func answer(of session: KeptSession) async -> SessionStatus? {
        do throws(KeeperError) { return try await session.status() } catch { return nil }
    }
}
