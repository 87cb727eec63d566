internal import CLibUV

/// A child started and watched by libuv itself; the portable way.
final class LibuvWatcher: Handle, ChildWatcher {
    private(set) var pid: Int32 = 0
    var onExit: ((ProcessExit) -> Void)?
    var signalOnCancel: Signal?

    init(_ configuration: ChildProcess.Configuration, stdio: ChildStdio, on loop: Loop) throws(SpawnError) {
        var status: CInt = 0
        var pid: Int32 = 0
        do throws(UVError) {
            let command = [configuration.executable] + configuration.arguments
            let arguments = try CStringArray(command.map(RawText.bytes))
            let environment = try CStringArray((configuration.environment ?? .current).entries)
            // The array's first pointer is nil if there is no directory.
            let directory = try CStringArray(configuration.workingDirectory.map { [RawText.bytes(of: $0)] } ?? [])
            // `uv_spawn` needs the handle closed even when it fails (H37), so a failure is not reported to the base
            // class.
            try super.init(uv_process_t.self, on: loop) { process in
                status = LibuvWatcher.spawn(
                    process, configuration, stdio: stdio, on: loop,
                    arguments: arguments.pointers, environment: environment.pointers, directory: directory.pointers[0])
                // After a failure the pid is uninitialised (H37).
                if status == 0 { pid = process.pointee.pid }
                return 0
            }
        } catch {
            throw SpawnError(error, starting: configuration)
        }
        self.pid = pid
        guard status < 0 else { return }
        close()
        throw SpawnError(UVError(rawValue: status), starting: configuration)
    }

    func send(_ signal: Signal) throws(UVError) {
        try check(uv_process_kill(raw.process, signal.rawValue))
    }

    /// Collects the child in libuv's place, since libuv's SIGCHLD handler may never run.
    func collectIfEnded() {
        var status: CInt = 0
        let result = waitpid(pid, &status, WNOHANG)
        guard result > 0 || (result < 0 && uvloop_errno() == ECHILD), let onExit else { return }
        self.onExit = nil
        onExit(result > 0 ? ProcessExit(waitStatus: status) : .unknown)
    }

    override var publicName: String { "ChildProcess" }

    override func willClose() {
        onExit = nil
        signalIfCanceled()
    }

    private static func spawn(
        _ process: UnsafeMutablePointer<uv_process_t>,
        _ configuration: ChildProcess.Configuration,
        stdio: ChildStdio,
        on loop: Loop,
        arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>,
        environment: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>,
        directory: UnsafePointer<CChar>?,
    ) -> CInt {
        // Only ready descriptors and ignored entries: libuv 1.52 corrupts its handle queue if it fails to make a pipe
        // itself (H38).
        var containers = stdio.childDescriptors.map { descriptor in
            var container = uv_stdio_container_t()
            container.flags = descriptor == nil ? UV_IGNORE : UV_INHERIT_FD
            if let descriptor { container.data.fd = descriptor }
            return container
        }
        var options = uv_process_options_t()
        options.exit_cb = { process, code, signal in
            let watcher: LibuvWatcher = object(process!.pointee.data)
            let onExit = watcher.onExit
            watcher.onExit = nil
            onExit?(signal == 0 ? .exited(code: Int32(truncatingIfNeeded: code)) : .signaled(Signal(rawValue: signal)))
        }
        options.args = arguments
        options.env = environment
        options.flags = flags(of: configuration)
        options.uid = configuration.userID ?? 0
        options.gid = configuration.groupID ?? 0
        options.stdio_count = CInt(containers.count)
        return containers.withUnsafeMutableBufferPointer { containers in
            options.stdio = containers.baseAddress
            options.file = UnsafePointer(arguments[0])
            options.cwd = directory
            return uv_spawn(loop.raw, process, &options)
        }
    }

    /// Maps the flags. All versions from 1.24 on know each of these bits; libuv aborts on one it does not know (H44).
    private static func flags(of configuration: ChildProcess.Configuration) -> UInt32 {
        let mapping: [(ChildProcess.Flags, uv_process_flags)] = [
            (.detached, UV_PROCESS_DETACHED),
            (.hideWindow, UV_PROCESS_WINDOWS_HIDE),
            (.hideWindowConsole, UV_PROCESS_WINDOWS_HIDE_CONSOLE),
            (.hideWindowGUI, UV_PROCESS_WINDOWS_HIDE_GUI),
            (.verbatimArguments, UV_PROCESS_WINDOWS_VERBATIM_ARGUMENTS),
        ]
        var flags: UInt32 = 0
        for (flag, bit) in mapping where configuration.flags.contains(flag) { flags |= bit.rawValue }
        if configuration.userID != nil { flags |= UV_PROCESS_SETUID.rawValue }
        if configuration.groupID != nil { flags |= UV_PROCESS_SETGID.rawValue }
        return flags
    }
}
