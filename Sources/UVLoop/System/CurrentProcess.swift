internal import CLibUV

/// This process: its ids and paths, its end, and settings for the first lines of its main, before it has threads.
public enum CurrentProcess {
    /// This process's own id. Mirrors `uv_os_getpid`.
    public static var id: Int32 { uv_os_getpid() }

    /// The id of the process group that this process is in. Mirrors `getpgrp`.
    public static var groupID: Int32 { getpgrp() }

    /// The user that this process acts as. Mirrors `geteuid`.
    public static var userID: UInt32 { geteuid() }

    /// Returns the user's home directory: `HOME`, or the entry in the system's user database. Mirrors `uv_os_homedir`.
    ///
    /// - Throws: ``UVError/noEntry`` for a user without one.
    public static func homeDirectory() throws(UVError) -> String {
        try path { uv_os_homedir($0, $1) }
    }

    /// Returns this process's working directory. Mirrors `uv_cwd`.
    public static func workingDirectory() throws(UVError) -> String {
        try path { uv_cwd($0, $1) }
    }

    /// Returns the file that this process runs. Mirrors `uv_exepath`; on Linux without `/proc`, finds the file by the
    /// program's name, seen from here.
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

    /// Ends this process at once without exit handlers; libuv's own handler would wait for every job in its thread
    /// pool, even one that reads from a terminal. Output buffered by the C library is lost. Mirrors `_exit(2)`.
    public static func exitAtOnce(_ status: Int32) -> Never {
        _exit(status)
    }

    // MARK: Settings

    /// Sets the mask of permission bits that new files and directories do not get.
    ///
    /// - Returns: the former mask. Mirrors `umask(2)`.
    @discardableResult
    public static func setFileModeMask(_ mask: UInt32) -> UInt32 { UInt32(umask(mode_t(mask))) }

    /// Makes this process ignore every signal that would end it by default and is not in `handled`, so that no stray
    /// signal ends it without a clean-up. Signals of faults (SIGILL, SIGABRT, SIGBUS, SIGFPE, SIGSEGV) stay as they
    /// are.
    ///
    /// The C library's own signals are ignored too: it needs them to cancel a thread, and to change the user of a
    /// process with several threads.
    public static func ignoreStraySignals(except handled: [Signal]) {
        var numbers = [
            SIGHUP, SIGPIPE, SIGXFSZ, SIGUSR1, SIGUSR2, SIGQUIT, SIGALRM, SIGVTALRM, SIGPROF, SIGIO, SIGXCPU,
            SIGTRAP, SIGSYS,
        ]
        #if os(Linux)
        numbers += [SIGPWR, SIGSTKFLT]
        // Real-time signals end a process too.
        for number: CInt in 34...64 { numbers.append(number) }
        // The call cannot fail.
        for number: CInt in 32...33 { _ = uvloop_ignore_reserved_signal(number) }
        #endif
        for number in numbers where !handled.contains(Signal(rawValue: number)) {
            // The call fails only for a further signal of the C library's own.
            _ = uvloop_ignore_signal(number)
        }
    }

    /// From now on, returns large blocks of memory to the system when they are freed; the C library would keep them for
    /// later blocks. For a program that seldom needs much memory and lives long.
    public static func giveBackLargeMemory() { uvloop_give_back_large_memory() }

    /// Returns free memory to the system now; the C library would keep it for later blocks of its size. Takes up to a
    /// few milliseconds. Mirrors `malloc_trim`; does nothing on a system without this call.
    public static func giveBackFreeMemory() { uvloop_give_back_free_memory() }
}
