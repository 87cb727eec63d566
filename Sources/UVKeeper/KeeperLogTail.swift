internal import KeeperProtocol
internal import UVLoop

/// The end of a keeper's log, for errors.
enum KeeperLogTail {
    private static let byteCount = 4096
    private static let lineCount = 8

    /// What the last keeper of the session wrote, at most eight lines; its stderr if it had no log yet; empty if there is
    /// nothing to read.
    static func lines(ofLastRunIn paths: KeeperPaths, of session: SessionID) -> [String] {
        let log = lines(paths.log(for: session))
        if let start = log.lastIndex(where: { $0.contains("keeper starting") }) {
            return Array(log[start...].suffix(lineCount))
        }
        return Array(lines(paths.launchLog(for: session)).suffix(lineCount))
    }

    private static func lines(_ path: String) -> [String] {
        do throws(UVError) {
            let file = try OpenFile(path, .readOnly)
            defer { file.close() }
            let bytes = try file.read(last: byteCount)
            return bytes.split(separator: UInt8(ascii: "\n")).map { String(decoding: $0, as: UTF8.self) }
        } catch {
            return []
        }
    }
}
