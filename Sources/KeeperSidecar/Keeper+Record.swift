internal import KeeperProtocol
internal import UVLoop

/// The session's record, from before the child's start to after its end.
extension Keeper {
    /// Writes the first record, and removes the output of a former life.
    func beginRecord() -> RecordFile {
        let identity = ProcessIdentity(of: CurrentProcess.id)
        var record = SessionRecord(
            session: launch.session.rawValue, epoch: epoch, bootID: identity?.bootID ?? "",
            keeper: .init(
                pid: CurrentProcess.id, startTicks: identity?.startTicks, version: KeeperSidecar.version),
            cwd: "", startedAt: SessionRecord.timestamp(startedAt))
        let (cwd, isCut) = Keeper.cut([launch.startPath])
        record.cwd = cwd.first ?? ""
        record.labels = launch.settings.labels
        record.place = place
        var isCommandCut = false
        if launch.settings.recordsCommand { (record.command, isCommandCut) = Keeper.cut(launch.command) }
        if isCut || isCommandCut { record.cut = true }
        let file = RecordFile(record, of: launch.session, paths: launch.paths)
        let hadRecord = Files.exists(launch.paths.record(for: launch.session))
        // A keeper that was killed has left its control group, which only its record names.
        if hadRecord, let former = SessionRecord(at: launch.paths.record(for: launch.session)) {
            LeftGroups.remove(of: former)
        }
        do throws(UVError) { try file.write { _ in } } catch {
            launch.log.write("cannot write the session's record: \(error)")
            file.removeFormer()
        }
        if hadRecord {
            RecordFile.removeFormer(of: launch.session, except: epoch, paths: launch.paths, log: launch.log)
        }
        return file
    }

    /// At most 16 KiB of strings, the last one cut; an empty string counts as one byte, since it takes some in the
    /// record.
    private static func cut(_ strings: [String]) -> (strings: [String], isCut: Bool) {
        var left = SessionRecord.longestText
        var result: [String] = []
        for string in strings {
            let text = ControlEscaping.escapingRawBytes(string)
            let count = max(1, text.utf8.count)
            guard count <= left else {
                result.append(String(decoding: text.utf8.prefix(left), as: UTF8.self))
                return (result, true)
            }
            left -= count
            result.append(text)
        }
        return (result, false)
    }

    func note(_ child: KeeperChild, in record: RecordFile) {
        let pid = child.process.pid
        do throws(UVError) {
            try record.write { $0.child = .init(pid: pid, startTicks: child.identity?.startTicks) }
        } catch {
            launch.log.write("cannot write the session's record: \(error)")
        }
    }

    /// The end of a session, in the form of its record.
    func exit(of session: Session, _ ending: Ending, isHeld: Bool) -> SessionExit {
        let child = session.child
        var exit = SessionExit(reason: ending.exit, at: SessionRecord.now)
        switch child.process.exitStatus {
        case .exited(let code): exit.code = code
        case .signaled(let signal): exit.signal = SignalNumbers.name(of: signal)
        case .unknown, nil: break
        }
        exit.by = ending.by
        exit.leftBehind = Array(ending.leftBehind.prefix(64))
        if let kept = child.kept {
            exit.output = .init(out: kept.out.range, err: kept.err.range, held: isHeld)
        }
        exit.inputUnread = child.input.unreadByteCount
        exit.writers = session.channel.writers.states(unacknowledgedFirst: true)
        if group?.hasKilledForMemory == true { exit.oom = true }
        exit.stderrTail = child.output?.standardErrorTail ?? ""
        return exit
    }

    /// Writes the last record; if the disk is full, the oldest output makes room.
    func end(_ record: RecordFile, _ exit: SessionExit, makeRoom: () -> Bool = { false }) {
        do throws(UVError) {
            try record.writeLast(exit, makeRoom: makeRoom)
        } catch {
            launch.log.write("cannot write how the session ended into its record: \(error)")
        }
        record.removeReserve()
    }
}
