internal import CLibUV

/// Linux's `/proc`, as far as the numbers in it are those that this process knows.
enum ProcessDirectory {
    /// True if `/proc` is there and shows this process under its own number. A pid namespace that was made without a mount
    /// of its own (`unshare --pid`) shows the processes of the outer one, whose numbers are strangers' here.
    static let isOwn: Bool = {
        #if os(Linux)
        linkTarget("/proc/self") == "\(getpid())"
        #else
        false
        #endif
    }()

    /// The target of a symbolic link; nil if there is none. Needs no descriptor.
    static func linkTarget(_ path: String) -> String? {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 4097) { buffer in
            let count = readlink(path, buffer.baseAddress!, buffer.count - 1)
            guard count >= 0 else { return nil }
            buffer[count] = 0
            return RawText.string(buffer.baseAddress!)
        }
    }
}
