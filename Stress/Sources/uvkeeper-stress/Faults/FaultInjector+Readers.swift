import UVKeeper

/// Faults of readers, and of the output they read.
extension FaultInjector {
    /// Pauses some of the library's readers for a while.
    func pauseReaders(_ planned: Planned, _ session: Session) {
        guard let readers = session.readers else { return }
        let followers = readers.followers.enumerated().filter { planned.number >> UInt64($0.offset) & 1 == 1 }.map(
            \.element)
        let chosen = followers.isEmpty ? readers.followers : followers
        let record = begin(.readerPaused, session, note: "\(chosen.count) of \(readers.followers.count)")
        for follower in chosen { follower.pause() }
        end(record, after: planned.duration) { for follower in chosen { follower.resume() } }
    }

    /// Makes a client of the channel stop reading, so that its connection fills.
    func freezeReader(_ planned: Planned, _ session: Session) {
        let record = begin(.readerFrozen, session)
        session.readers?.channel?.freeze()
        end(record, after: planned.duration) { session.readers?.channel?.thaw() }
    }

    /// Cuts the connection of that client after some bytes, in a header or in output.
    func cutReader(_ planned: Planned, _ session: Session) {
        let count = 1 + Int(planned.number % 40_000)
        let record = begin(.readerCut, session, note: "after \(count) bytes")
        session.readers?.channel?.cut(after: count) { [engine] in
            record.note += ", at \(Texts.decimal(Double(engine.clock.microseconds) / 1e6)) s"
        }
        // The bytes may not come in time.
        end(record, after: planned.duration) { session.readers?.channel?.cutNow() }
    }

    /// Keeps a keeper from writing any file, or longer ones.
    func fillDisk(_ planned: Planned, _ session: Session, _ life: Life) {
        // The size is no shorter than 256 segments need to hold the kept output.
        let byteCount = planned.number & 1 == 0 ? 0 : 4096 + planned.number % 60_000
        let record = begin(.diskFull, session, note: "files of \(byteCount) bytes")
        noteOutput(record, session, life)
        do throws(UVError) {
            let limit = try FileSizeLimit(of: life.keeperPID, byteCount)
            end(record, after: planned.duration) {
                do throws(UVError) { try limit.release() } catch { record.note += "; not given back: \(error)" }
                record.outputAfter = FaultInjector.most(life)
            }
        } catch {
            record.end = engine.clock.microseconds
            record.fail(error)
        }
    }

    /// Makes a child write as fast as its pipes take the output.
    func flood(_ planned: Planned, _ session: Session, _ life: Life) {
        let streams = 1 + planned.number % 3
        let before = FaultInjector.most(life)
        let record = begin(
            .childFloods, session, note: streams == 1 ? "stdout" : streams == 2 ? "stderr" : "stdout and stderr")
        life.receipts[.flood] = streams
        end(record, after: planned.duration) {
            life.receipts[.flood] = 0
            let sum = ChildStream.allCases.reduce(0) {
                $0 + (FaultInjector.most(life)[$1] ?? 0) - (before[$1] ?? 0)
            }
            record.note += ", \(Texts.bytes(Double(sum)))"
        }
    }

    /// Notes the place of the child's output at the start of a fault that may cost some.
    func noteOutput(_ record: FaultRecord, _ session: Session, _ life: Life) {
        guard let number = session.lives.lastIndex(where: { $0 === life }) else { return }
        var before: [ChildStream: UInt64] = [:]
        for stream in ChildStream.allCases { before[stream] = life.receipts.written(stream).lowerBound }
        record.output = (number, before)
    }

    /// Returns the most bytes that the child may have written of each stream.
    static func most(_ life: Life) -> [ChildStream: UInt64] {
        var most: [ChildStream: UInt64] = [:]
        for stream in ChildStream.allCases { most[stream] = life.receipts.written(stream).upperBound }
        return most
    }
}
