extension Processes {
    /// Returns the paths of files that a process has open and has locked through that descriptor. Empty if the process
    /// is gone. If a file was opened under another name, or has lost its name, the path is the one that the kernel gives
    /// it. Mirrors `/proc/<pid>/fd` and `/proc/<pid>/fdinfo`.
    ///
    /// - Parameters:
    ///   - pid: the process.
    ///   - isMeant: true for the paths to look at.
    /// - Throws: ``UVError/accessDenied`` or ``UVError/notPermitted`` if the process hides its files: it belongs to another
    ///   user, or runs a program that has more rights or cannot be read. ``UVError/notSupported`` if the system does not
    ///   tell, or tells of another pid namespace. ``UVError/tooManyOpenFiles`` and its like, if a shortage of this process
    ///   or the system leaves the answer unknown.
    public static func lockedFiles(of pid: Int32, where isMeant: (String) -> Bool) throws(UVError) -> [String] {
        #if os(Linux)
        guard ProcessDirectory.isOwn else { throw .notSupported }
        do throws(UVError) {
            var locked: [String] = []
            for number in try Files.names(inDirectory: "/proc/\(pid)/fd") {
                guard let target = try target(ofDescriptor: "/proc/\(pid)/fd/\(number)"), isMeant(target) else {
                    continue
                }
                if try isLocked("/proc/\(pid)/fdinfo/\(number)") { locked.append(target) }
            }
            return locked
        } catch {
            // An ended process hides its files until its end is collected, and so may one of another user as a whole:
            // the mount option `hidepid`.
            guard liveness(of: pid) != .gone else { return [] }
            throw error == .noEntry || error == .noProcess ? .accessDenied : error
        }
        #else
        throw .notSupported
        #endif
    }

    /// True if a process holds a lock for writing (`fcntl`), on whatever file; nil if the system does not tell. Also of a
    /// process that hides its files. Mirrors `/proc/locks`.
    package static func holdsWriteLock(_ pid: Int32) -> Bool? {
        guard ProcessDirectory.isOwn else { return nil }
        let (number, kind, access) = (Array("\(pid)".utf8), Array("POSIX".utf8), Array("WRITE".utf8))
        do throws(UVError) {
            let file = try OpenFile("/proc/locks", .readOnly)
            defer { file.close() }
            var isHeld = false
            try file.forEachLine { line in
                // The words are number, kind, ADVISORY, access, pid, file; a lock that is waited for has an arrow first.
                let words = line.split(separator: UInt8(ascii: " "))
                isHeld =
                    words.count > 4 && words[1].elementsEqual(kind) && words[3].elementsEqual(access)
                    && words[4].elementsEqual(number)
                return !isHeld
            }
            return isHeld
        } catch {
            return nil
        }
    }

    /// Returns the path of an open file; nil if it has been closed meanwhile.
    private static func target(ofDescriptor path: String) throws(UVError) -> String? {
        do throws(UVError) { return try Files.target(ofLink: path) } catch {
            guard error == .noEntry || error == .noProcess else { throw error }
            return nil
        }
    }

    /// True if the descriptor holds a lock; false if it has been closed meanwhile.
    private static func isLocked(_ information: String) throws(UVError) -> Bool {
        let lock = Array("\nlock:".utf8)
        do throws(UVError) {
            let bytes = try Files.read(information, limit: 4096)
            return bytes.indices.contains { bytes[$0...].starts(with: lock) }
        } catch {
            guard error == .noEntry || error == .noProcess else { throw error }
            return false
        }
    }
}
