package import UVLoop

extension SessionRecord {
    /// The record in a file; nil if it cannot be read, belongs to a user who is not trusted, or does not parse.
    package init?(at path: String) {
        do throws(UVError) { try self.init(readingAt: path) } catch { return nil }
    }

    /// The record in a file; nil as for ``init(at:)``, except for a shortage.
    ///
    /// - Throws: a shortage of descriptors or memory, which says nothing about the record.
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

    /// The bytes of the record's file.
    package var fileBytes: [UInt8] {
        var bytes = json.encoded
        bytes.append(NewlineScan.newline)
        return bytes
    }

    /// Writes a record, or replaces an existing one by rename, so that no reader sees half of it.
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

    /// Exchanges a record for the former one, and removes that. A rename over the former one (on ext4 with
    /// `auto_da_alloc`) would wait for the disk, and block the directory for all other processes meanwhile.
    private static func publish(_ temporary: String, as path: String) throws(UVError) {
        do throws(UVError) {
            guard try Files.exchange(temporary, with: path) else { return try Files.rename(temporary, to: path) }
        } catch .noEntry {
            return try Files.rename(temporary, to: path)
        }
        do throws(UVError) {
            try Files.unlinkIfPresent(temporary)
        } catch {
            // The record's name belonged to a directory, which gets the name back.
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

    /// The present time in the form of records.
    package static var now: String { timestamp(SystemClock.wallClockTime) }

    /// A time since 1970 in the form of records.
    package static func timestamp(_ time: Duration) -> String {
        LogTimestamp.text(millisecondsSinceEpoch: Int64(time / .milliseconds(1)))
    }
}
