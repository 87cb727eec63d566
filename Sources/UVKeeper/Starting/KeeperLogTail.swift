internal import KeeperProtocol
internal import UVLoop

/// The lines that a run of a keeper has written to its logs, for errors. To be made before the keeper starts: earlier
/// lines belong to another run.
struct KeeperLogTail {
    private static let byteCount = 4096
    private static let lineCount = 8

    private struct Log {
        let path: String
        /// The log's size at the start, in bytes.
        let start: UInt64

        init(_ path: String) {
            self.path = path
            do throws(UVError) { start = try Files.status(of: path, followingLinks: false).size } catch { start = 0 }
        }
    }

    private let log: Log
    private let launchLog: Log
    private let paths: KeeperPaths

    init(of session: SessionID, in paths: KeeperPaths) {
        self.paths = paths
        log = Log(paths.log(for: session))
        launchLog = Log(paths.launchLog(for: session))
    }

    /// At most eight lines: the last of the log; if it has none, the last of the launch log, which has the keeper's
    /// stderr; if nothing can be written there, the reason, which most likely stopped the keeper too; empty if there is
    /// nothing to read.
    var lines: [String] {
        for log in [log, launchLog] {
            let lines = KeeperLogTail.lines(log)
            if !lines.isEmpty { return lines }
        }
        do throws(UVError) {
            try OpenFile(launchLog.path, .append).close()
        } catch {
            return ["\(KeeperError.using(launchLog.path, error))"]
        }
        do throws(UVError) {
            try writeByte()
            return []
        } catch {
            return ["\(KeeperError.using(paths.directory, error))"]
        }
    }

    /// Writes a byte to find out if the disk is full, which opening a file does not tell.
    private func writeByte() throws(UVError) {
        let path = paths.temporaryFile(for: launchLog.path, random: .random(in: .min ... .max))
        let file = try OpenFile(path, .createNew)
        defer { file.close() }
        do throws(UVError) {
            try file.write([0])
        } catch {
            try Files.unlink(path)
            throw error
        }
        try Files.unlink(path)
    }

    private static func lines(_ log: Log) -> [String] {
        do throws(UVError) {
            let file = try OpenFile(log.path, .readOnly)
            defer { file.close() }
            guard OwnerTrust.trusts(file.statusAtOpening.owner) else { return [] }
            let size = try file.status().size
            // A log that has become smaller was cut to nothing meanwhile.
            let start = Int(clamping: size < log.start ? 0 : log.start)
            let bytes = try file.read(from: max(start, Int(clamping: size) - byteCount), limit: byteCount)
            let lines = bytes.split(separator: UInt8(ascii: "\n")).map { String(decoding: $0, as: UTF8.self) }
            return Array(lines.suffix(lineCount))
        } catch {
            return []
        }
    }
}
