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

    /// Writes a record, in place of another if there is one: by rename, so that it is never seen half.
    package static func replace(_ path: String, with bytes: [UInt8], paths: KeeperPaths) throws(UVError) {
        let (file, temporary) = try temporaryFile(for: path, paths)
        defer { file.close() }
        do throws(UVError) {
            try file.write(bytes)
            try publish(temporary, as: path)
        } catch {
            PIDFile.removeTemporary(temporary)
            throw error
        }
    }

    /// Exchanges a record for the former one, and removes that. A rename over it would take as long as the disk, on ext4, and
    /// nobody else could use the directory meanwhile (`auto_da_alloc`).
    private static func publish(_ temporary: String, as path: String) throws(UVError) {
        do throws(UVError) {
            guard try Files.exchange(temporary, with: path) else { return try Files.rename(temporary, to: path) }
        } catch .noEntry {
            return try Files.rename(temporary, to: path)
        }
        do throws(UVError) {
            try Files.unlinkIfPresent(temporary)
        } catch {
            // A directory had the record's name, and gets it back.
            _ = try Files.exchange(temporary, with: path)
            throw error
        }
    }

    private static func temporaryFile(
        for path: String, _ paths: KeeperPaths,
    ) throws(UVError) -> (OpenFile, String) {
        for _ in 0..<8 {
            let temporary = paths.temporaryFile(for: path, random: .random(in: .min ... .max))
            do throws(UVError) { return (try OpenFile(temporary, .createNew), temporary) } catch .exists { continue }
        }
        throw .exists
    }

    /// The present time as records have it.
    package static var now: String { timestamp(SystemClock.wallClockTime) }

    /// A time since 1970 as records have it.
    package static func timestamp(_ time: Duration) -> String {
        LogTimestamp.text(millisecondsSinceEpoch: Int64(time / .milliseconds(1)))
    }
}
