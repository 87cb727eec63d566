import UVKeeper

/// When a run is over, and what is missing then.
extension Engine {
    var cases: [Judge.Case] { (sessions + waves).map(\.judged) }

    /// Whether every writer has sent what it was to. A driven server waits for its harness, whose writers may have more.
    var isDone: Bool {
        settings.linesPerWriter != nil && role.vitals == nil && allWriters.allSatisfy(\.isFinished)
            && server?.isSpent != false
    }

    /// Writes failed starts down at once: a server may be killed before its end.
    func keepFailedStarts() {
        for session in sessions {
            session.onFailedStart = { [unowned self, index = session.index] failure in
                do throws(UVError) {
                    try failure.append(to: run.failedStarts(session: index))
                } catch {
                    early.add(.failedStart, "cannot be written down, \(error): \(failure.text)")
                }
            }
        }
    }

    func noteUndrained(_ outstanding: Int) {
        early.add(.missingCompletion, count: outstanding, "\(outstanding) were awaited for \(settings.drainLimit)")
        for session in sessions where role.vitals == nil && session.current == nil {
            early.add(.recovery, "session \(session.index) did not come back: \(session.obstacle)")
        }
    }
}
