internal import CLibUV

/// This process: who and where it is, how it ends, and settings for the first lines of its main, before it has threads.
public enum CurrentProcess {
    /// This process's own id. Mirrors `uv_os_getpid`.
    public static var id: Int32 { uv_os_getpid() }

    /// The id of the process group that this process is in. Mirrors `getpgrp`.
    public static var groupID: Int32 { getpgrp() }

    /// The user this process acts as. Mirrors `geteuid`.
    public static var userID: UInt32 { geteuid() }

    /// The user's home directory: `HOME`, or what the system's user database says. Mirrors `uv_os_homedir`.
    ///
    /// - Throws: ``UVError/noEntry`` for a user without one.
    public static func homeDirectory() throws(UVError) -> String {
        try path { uv_os_homedir($0, $1) }
    }

    /// This process's working directory. Mirrors `uv_cwd`.
    public static func workingDirectory() throws(UVError) -> String {
        try path { uv_cwd($0, $1) }
    }

    /// The file this process runs. Mirrors `uv_exepath`; where `/proc` is missing on Linux, what the program's name stands
    /// for, seen from here.
    public static func executablePath() throws(UVError) -> String {
        do throws(UVError) {
            return try path { uv_exepath($0, $1) }
        } catch {
            let file = ProgramArguments.current.first.flatMap {
                ExecutableSearch.find($0, path: ProcessEnvironment.current["PATH"])
            }
            guard let file, Files.isExecutable(file) else { throw error }
            return try Files.realPath(of: file)
        }
    }

    private static func path(
        _ call: (UnsafeMutablePointer<CChar>?, UnsafeMutablePointer<Int>?) -> CInt
    ) throws(UVError) -> String {
        var size = 4096
        var status: CInt = 0
        let path = withUnsafeTemporaryAllocation(of: CChar.self, capacity: size) { buffer in
            status = call(buffer.baseAddress, &size)
            return status == 0 ? RawText.string(buffer.baseAddress!) : ""
        }
        try check(status)
        return path
    }

    /// Ends this process at once with a status from 0 to 255. Mirrors `exit(3)`.
    public static func exit(_ status: Int32) -> Never {
        CLibUV.exit(status)
    }

    /// Ends this process at once and runs no exit handlers: libuv's own waits for every job in its thread pool, one that
    /// reads from a terminal included. Output buffered by the C library is lost. Mirrors `_exit(2)`.
    public static func exitAtOnce(_ status: Int32) -> Never {
        _exit(status)
    }

    // MARK: Settings

    /// Sets the mask of permission bits that new files and directories do not get.
    ///
    /// - Returns: the former one. Mirrors `umask(2)`.
    @discardableResult
    public static func setFileModeMask(_ mask: UInt32) -> UInt32 { UInt32(umask(mode_t(mask))) }

    /// Makes this process ignore every signal that would end it by default and that is not in `handled`: no stray one ends
    /// it without a clean-up. Signals of faults (SIGILL, SIGABRT, SIGBUS, SIGFPE, SIGSEGV) stay as they are.
    ///
    /// The C library's own are among them: it needs them to cancel a thread, and to change the user of one that has several.
    public static func ignoreStraySignals(except handled: [Signal]) {
        var numbers = [
            SIGHUP, SIGPIPE, SIGXFSZ, SIGUSR1, SIGUSR2, SIGQUIT, SIGALRM, SIGVTALRM, SIGPROF, SIGIO, SIGXCPU,
            SIGTRAP, SIGSYS,
        ]
        #if os(Linux)
        numbers += [SIGPWR, SIGSTKFLT]
        // Real-time signals end a process too.
        for number: CInt in 34...64 { numbers.append(number) }
        // Cannot fail.
        for number: CInt in 32...33 { _ = uvloop_ignore_reserved_signal(number) }
        #endif
        for number in numbers where !handled.contains(Signal(rawValue: number)) {
            // Fails only for one more that is the C library's own.
            _ = uvloop_ignore_signal(number)
        }
    }

    /// Has large blocks of memory go back to the system when they are freed, from now on, where the C library would keep
    /// them for later ones. For a program that seldom needs much and lives long.
    public static func giveBackLargeMemory() { uvloop_give_back_large_memory() }

    /// Gives memory that is free back to the system now, which the C library would keep for later blocks of its size. Takes up to
    /// a few milliseconds. Mirrors `malloc_trim`; does nothing where there is no such call.
    public static func giveBackFreeMemory() { uvloop_give_back_free_memory() }
}
