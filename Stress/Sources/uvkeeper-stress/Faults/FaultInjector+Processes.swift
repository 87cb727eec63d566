import UVKeeper

/// Faults of keepers and children.
extension FaultInjector {
    /// Ends the keeper by a signal. Every other time its child is stopped before: a killed keeper then dies with lines
    /// that the child's full pipe has not taken; one that is told to end must not confirm them. Half of those that are
    /// told to end may open nothing more.
    func endKeeper(_ planned: Planned, _ session: Session, _ life: Life, by signal: Signal) {
        let isKilled = signal == .kill
        let record = begin(
            isKilled ? .keeperKilled : .keeperToldToEnd, session, life: session.lives.count - 1,
            note: "\(signal) to \(life.keeperPID)")
        let end = { [unowned self] in
            life.isCondemned = true
            life.wasToldToEnd = !isKilled
            if !isKilled, planned.number & 2 == 2 {
                noteOutput(record, session, life)
                takeDescriptors(of: life, record)
            }
            inject(signal, life.keeperPID, record)
        }
        guard planned.number & 1 == 1 else {
            end()
            return awaitRestart(record, session)
        }
        record.note += ", its child stopped before"
        inject(.stop, life.childPID, record)
        self.end(record, after: planned.duration) { [unowned self] in
            end()
            // A keeper that is told to end takes its child along.
            if isKilled { undo(.continue, life.childPID, record) }
            awaitRestart(record, session)
        }
    }

    /// Takes the keeper's descriptors, for good.
    private func takeDescriptors(of life: Life, _ record: FaultRecord) {
        do throws(UVError) {
            _ = try DescriptorHoard(of: life.keeperPID)
            life.couldNotOpen = true
            record.note += ", without descriptors"
        } catch {
            record.note += ", its descriptors: \(error)"
        }
    }

    func killChild(_ session: Session, _ life: Life) {
        let record = begin(.childKilled, session, life: session.lives.count - 1, note: "SIGKILL to \(life.childPID)")
        life.isCondemned = true
        inject(.kill, life.childPID, record)
        awaitRestart(record, session)
    }

    func stop(_ pid: Int32, _ planned: Planned, _ session: Session, _ kind: FaultRecord.Kind) {
        let record = begin(kind, session, note: "SIGSTOP to \(pid)")
        inject(.stop, pid, record)
        end(record, after: planned.duration) { [unowned self] in undo(.continue, pid, record) }
    }

    func slowDown(_ planned: Planned, _ session: Session, _ life: Life) {
        let pause = 1000 + planned.number % 30_000
        let record = begin(.slowReader, session, note: "\(pause) us before each read")
        life.receipts[.pause] = pause
        end(record, after: planned.duration * 2) { life.receipts[.pause] = 0 }
    }

    func inject(_ signal: Signal, _ pid: Int32, _ record: FaultRecord) {
        do throws(UVError) { try Processes.send(signal, to: pid) } catch { record.fail(error) }
    }

    /// Undoes a signal. A process that another fault has ended meanwhile needs no undoing.
    func undo(_ signal: Signal, _ pid: Int32, _ record: FaultRecord) {
        do throws(UVError) {
            try Processes.send(signal, to: pid)
        } catch {
            record.note += "; \(signal): \(error)"
        }
    }

    /// Lets the fault last until the session has a life after the one it ended.
    private func awaitRestart(_ record: FaultRecord, _ session: Session) {
        let lives = session.lives.count
        look()
        func look() {
            end(record, after: .milliseconds(10)) { [unowned self] in
                if isGoingOn, session.lives.count <= lives || session.current == nil { look() }
            }
        }
    }
}
