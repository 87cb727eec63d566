internal import KeeperProtocol
internal import UVLoop

/// A keeper's or a child's pid file, as one look finds it.
struct PIDFile {
    private(set) var exists = false
    /// The file could not be read for want of permission or resources, or belongs to somebody who is not trusted.
    private(set) var isUndecided = false
    private(set) var pid: Int32?
    /// The process that holds the lock of a keeper's file.
    private(set) var lockedBy: Int32?
    /// The process that had this pid when a child's file was written.
    private(set) var identity: ProcessIdentity?
    private(set) var since: Duration?

    /// A keeper's, which that may hold locked.
    init(lockable path: String) {
        read(path) { (found, file) throws(UVError) in
            guard case .process(let owner) = try file.lockHolder() else { return }
            found.lockedBy = owner
        }
    }

    /// A child's, beside whose number its keeper keeps its identity.
    init(child path: String) {
        read(path) { (found, file) throws(UVError) in
            found.identity = found.pid.flatMap { ChildIdentity.of($0, in: file) }
        }
    }

    /// The number in either, and no more.
    init(number path: String) {
        read(path) { (_, _) throws(UVError) in }
    }

    private mutating func read(_ path: String, _ more: (inout PIDFile, OpenFile) throws(UVError) -> Void) {
        do throws(UVError) {
            let file = try OpenFile(path, .readOnly)
            defer { file.close() }
            exists = true
            since = file.statusAtOpening.modifiedAt
            guard Processes.trusts(userID: file.statusAtOpening.owner) else {
                isUndecided = true
                return
            }
            pid = try withUnsafeTemporaryAllocation(byteCount: 64, alignment: 1) { buffer throws(UVError) in
                PIDFile.pid(from: try file.readOnce(into: buffer))
            }
            try more(&self, file)
        } catch {
            switch error {
            case .noEntry: break
            // Something that is no file has its name, and says nothing.
            case .symbolicLink, .isDirectory, .invalidArgument: exists = true
            default:
                exists = true
                isUndecided = true
            }
        }
    }

    /// A positive decimal number, white space around it ignored.
    private static func pid(from bytes: UnsafeRawBufferPointer) -> Int32? {
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
