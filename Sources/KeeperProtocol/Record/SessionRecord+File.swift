package import UVLoop

extension SessionRecord {
    /// The record in a file; nil if there is none that can be read, belongs to somebody who is trusted, and parses.
    package init?(at path: String) {
        do throws(UVError) { try self.init(readingAt: path) } catch { return nil }
    }

    /// The record in a file; nil as above, but for a shortage.
    ///
    /// - Throws: that descriptors or memory have run out, which says nothing about the record.
    package init?(readingAt path: String) throws(UVError) {
        let bytes: [UInt8]
        do throws(UVError) {
            let file = try OpenFile(path, .readOnly)
            defer { file.close() }
            guard OwnerTrust.trusts(file.statusAtOpening.owner) else { return nil }
            bytes = try file.read(limit: SessionRecord.longestRecord)
        } catch {
            if error.isShortage { throw error }
            return nil
        }
        self.init(bytes)
    }

    /// The bytes of its file.
    package var fileBytes: [UInt8] {
        var bytes = json.encoded
        bytes.append(NewlineScan.newline)
        return bytes
    }

    /// Replaces a record by rename, so that it is never seen half.
    package static func replace(_ path: String, with bytes: [UInt8], paths: KeeperPaths) throws(UVError) {
        try Files.replace(
            path, with: bytes, through: { paths.temporaryFile(for: path, random: .random(in: .min ... .max)) })
    }

    /// The present time as records have it.
    package static var now: String { timestamp(SystemClock.wallClockTime) }

    /// A time since 1970 as records have it.
    package static func timestamp(_ time: Duration) -> String {
        LogTimestamp.text(millisecondsSinceEpoch: Int64(time / .milliseconds(1)))
    }
}
