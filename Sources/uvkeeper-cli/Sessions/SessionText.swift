import KeeperProtocol
import UVKeeper

/// The facts known about a session, in rows for people.
enum SessionText {
    typealias Row = (name: String, value: String)

    static func rows(of status: SessionStatus) -> [Row] {
        var rows: [Row] = [
            ("session", status.session), ("state", status.state.rawValue),
            ("keeper", "process \(status.keeper.pid), since \(status.keeper.startedAt)"),
            ("child", "process \(status.child.pid), since \(status.child.startedAt)"),
            ("epoch", status.epoch),
            (
                "input",
                Output.count(status.linesIn, "line") + ", \(Output.bytes(status.bytesIn))"
                    + time(", last ", status.lastInputAt)
            ),
        ]
        if status.queuedBytes > 0 || status.blockedSince != nil {
            let since = time("; the child has not read since ", status.blockedSince)
            rows.append(("queued", Output.bytes(UInt64(status.queuedBytes)) + since))
        }
        if let output = status.output {
            rows.append(
                ("stdout", kept(output.out, lost: status.lostOutput.out) + time(", last output ", status.lastOutputAt)))
            rows.append(("stderr", kept(output.err, lost: status.lostOutput.err)))
        } else {
            rows.append(("output", "not kept"))
        }
        let lost = status.lostOutput
        if lost.out + lost.err > 0 {
            rows.append(
                ("lost", "\(Output.count(lost.out, "byte")) of stdout, \(lost.err) of stderr could not be written"))
        }
        rows.append(
            ("clients", "\(status.clients.channel) on the channel, \(status.clients.raw) on the raw socket"))
        return rows + place(status.place) + labels(status.labels)
    }

    private static func place(_ place: SessionPlace) -> [Row] {
        guard let group = place.controlGroup, let words = PlaceText.words(place) else { return [] }
        return [("group", group), ("", words)]
    }

    static func rows(of record: SessionRecord) -> [Row] {
        var rows: [Row] = [
            ("session", record.session), ("state", "ended"), ("end", SessionEnd.text(record.exit)),
        ]
        if let exit = record.exit {
            rows.append(("reason", exit.reason.rawValue + (exit.by.map { ", after \($0.rawValue)" } ?? "")))
            rows.append(("ended", exit.at))
        }
        rows += [("started", record.startedAt), ("epoch", record.epoch), ("directory", record.cwd)]
        if let command = record.command {
            rows.append(("command", command.joined(separator: " ") + (record.cut == true ? " ..." : "")))
        }
        if let output = record.exit?.output {
            rows += [("stdout", kept(output.out)), ("stderr", kept(output.err))]
        }
        if let unread = record.exit?.inputUnread, unread > 0 {
            rows.append(("unread", "\(Output.count(unread, "byte")) of its input"))
        }
        if let pids = record.exit?.leftBehind, !pids.isEmpty {
            rows.append(
                ("left", (pids.count == 1 ? "process " : "processes ") + pids.map(String.init).joined(separator: ", ")))
        }
        rows += labels(record.labels)
        let words = SessionEnd.lastWords(record.exit).split(separator: "\n").map { $0.dropFirst(2) }
        return rows + words.enumerated().map { ($0.offset == 0 ? "stderr's end" : "", String($0.element)) }
    }

    /// The rows of a session whose keeper has no channel.
    static func rows(of status: KeeperStatus) -> [Row] {
        [
            ("session", status.session.rawValue), ("state", status.state.rawValue),
            ("keeper", status.keeperPID.map { "process \($0)" } ?? "-"),
            ("child", status.childPID.map { "process \($0)" } ?? "-"),
            ("age", status.age.map(Output.age) ?? "-"),
            ("channel", "none: the keeper is an original one, or older than 0.2"),
        ]
    }

    private static func labels(_ labels: SessionLabels) -> [Row] {
        labels.map { ("label", "\($0.key)=\($0.value)") }
    }

    /// - Parameter lost: the bytes that could not be written; nil if that is not known.
    private static func kept(_ range: KeptRange, lost: UInt64? = nil) -> String {
        let kept = Output.bytes(range.end - range.start)
        guard range.start == 0 else { return "\(Output.bytes(range.end)), of which the last \(kept) are kept" }
        return switch lost {
        case nil: kept
        case 0: "\(kept), all kept"
        case let lost?: "\(kept), of which \(Output.bytes(lost)) are lost"
        }
    }

    private static func time(_ words: String, _ time: String?) -> String { time.map { words + $0 } ?? "" }
}
