internal import CLibUV

/// Linux's `/proc`, if its numbers are those that this process knows.
enum ProcessDirectory {
    /// True if `/proc` exists and shows this process under its own number. A pid namespace that was made without a
    /// mount of its own (`unshare --pid`) shows the processes of the outer one, whose numbers mean nothing here.
    static let isOwn: Bool = {
        #if os(Linux)
        Files.linkTarget("/proc/self") == "\(getpid())"
        #else
        false
        #endif
    }()
}
