internal import CLibUV

/// Facts about the libuv this program runs on.
public enum LibUV {
    /// The version of the library loaded at run time, for instance `1.44.2`. Mirrors `uv_version_string`.
    public static var version: String {
        String(cString: uv_version_string())
    }

    /// The version of the header this module was compiled against.
    public static var headerVersion: String {
        "\(UV_VERSION_MAJOR).\(UV_VERSION_MINOR).\(UV_VERSION_PATCH)"
    }

    /// The monotonic clock, independent of any loop; nanosecond resolution. Mirrors `uv_hrtime`.
    public static var monotonicTime: Duration {
        .nanoseconds(Int64(uv_hrtime()))
    }

    /// The time since 1970-01-01 UTC, which jumps when the clock is set. Mirrors `uv_gettimeofday`.
    public static var wallClockTime: Duration {
        var time = uv_timeval64_t()
        // Fails only without a place for the result.
        _ = uv_gettimeofday(&time)
        return .seconds(time.tv_sec) + .microseconds(Int64(time.tv_usec))
    }

    /// The user's home directory: `HOME`, or what the system's user database says. Mirrors `uv_os_homedir`.
    ///
    /// - Throws: ``UVError/noEntry`` for a user without one.
    public static func homeDirectory() throws(UVError) -> String {
        try path { uv_os_homedir($0, $1) }
    }

    /// This process's working directory. Mirrors `uv_cwd`.
    public static func currentDirectory() throws(UVError) -> String {
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
}
