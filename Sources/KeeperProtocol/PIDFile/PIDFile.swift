package import UVLoop

/// A keeper's or a child's pid file: a decimal number, the whole process id, and the facts found with it in one look.
package struct PIDFile {
    /// True if something exists under the file's name.
    package private(set) var exists = false
    /// True if the file could not be read for lack of permission or resources, or belongs to a user who is not trusted.
    package private(set) var isUndecided = false
    /// The number in the file; nil if there is none.
    package private(set) var pid: Int32?
    /// The process that holds the lock of a keeper's file.
    package private(set) var lockedBy: Int32?
    /// The process that had this pid when a child's file was written.
    package private(set) var identity: ProcessIdentity?
    /// The time at which the file was written, since 1970.
    package private(set) var since: Duration?

    /// Reads a keeper's file, which its keeper may hold locked.
    package init(lockable path: String) {
        read(path) { (found, file) throws(UVError) in
            guard case .process(let owner) = try file.lockHolder() else { return }
            found.lockedBy = owner
        }
    }

    /// Reads a child's file, with the identity that its keeper stored beside the number.
    package init(child path: String) {
        read(path) { (found, file) throws(UVError) in
            found.identity = found.pid.flatMap { ChildIdentity.of($0, in: file) }
        }
    }

    /// Reads just the number of either kind of file.
    package init(number path: String) {
        read(path) { (_, _) throws(UVError) in }
    }

    private mutating func read(_ path: String, _ more: (inout PIDFile, OpenFile) throws(UVError) -> Void) {
        do throws(UVError) {
            let file = try OpenFile(path, .readOnly)
            defer { file.close() }
            exists = true
            since = file.statusAtOpening.modifiedAt
            guard OwnerTrust.trusts(file.statusAtOpening.owner) else {
                isUndecided = true
                return
            }
            pid = try PIDFile.number(in: file)
            try more(&self, file)
        } catch {
            switch error {
            case .noEntry: break
            // The name belongs to something that is no file, and proves nothing.
            case .symbolicLink, .isDirectory, .invalidArgument: exists = true
            default:
                exists = true
                isUndecided = true
            }
        }
    }

    /// The process id in an open pid file; nil if the file has none.
    package static func number(in file: OpenFile) throws(UVError) -> Int32? {
        try withUnsafeTemporaryAllocation(byteCount: 64, alignment: 1) { buffer throws(UVError) in
            let bytes = try file.readOnce(into: buffer)
            // A file longer than the buffer may have more digits.
            return bytes.count < buffer.count ? pid(from: bytes) : nil
        }
    }

    /// Makes a complete pid file under a temporary name, so that no reader finds it empty under its final name.
    ///
    /// - Throws: ``UVError/exists`` if another process came to the same random name; then try again.
    package static func make(
        _ pid: Int32, for path: String, paths: KeeperPaths,
    ) throws(UVError) -> (file: OpenFile, temporary: String) {
        let temporary = paths.temporaryFile(for: path, random: .random(in: .min ... .max))
        let file = try OpenFile(temporary, .createNew)
        do throws(UVError) { try file.write(Array(String(pid).utf8)) } catch {
            removeTemporary(temporary)
            throw error
        }
        return (file, temporary)
    }

    /// Removes a temporary name; one that cannot be removed is left to the next discovery.
    package static func removeTemporary(_ path: String) {
        do throws(UVError) { try Files.unlinkIfPresent(path) } catch {}
    }

    /// The number in the bytes: positive and decimal, white space around it ignored.
    package static func pid(from bytes: UnsafeRawBufferPointer) -> Int32? {
        let isSpace = { (byte: UInt8) in byte <= UInt8(ascii: " ") }
        guard let first = bytes.firstIndex(where: { !isSpace($0) }), let last = bytes.lastIndex(where: { !isSpace($0) })
        else { return nil }
        var pid: Int32 = 0
        for byte in bytes[first...last] {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
            let (tens, isHuge) = pid.multipliedReportingOverflow(by: 10)
            let (sum, isHuger) = tens.addingReportingOverflow(Int32(byte - UInt8(ascii: "0")))
            guard !isHuge, !isHuger else { return nil }
            pid = sum
        }
        return pid > 0 ? pid : nil
    }
}
