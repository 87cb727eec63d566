#if os(Linux)
internal import CLibUV

/// `posix_spawn` with the services of `uv_spawn`: descriptors, directory, session, signals, search in PATH.
enum PosixSpawn {
    /// Starts the child; when this returns, its executable runs.
    static func start(
        _ configuration: ChildProcess.Configuration,
        childDescriptors: [CInt?],
    ) throws(UVError) -> pid_t {
        let environment = configuration.environment ?? .current
        let file = ExecutableSearch.find(
            configuration.executable, path: environment["PATH"], in: configuration.workingDirectory)
        guard let file else { throw .noEntry }
        let command = [configuration.executable] + configuration.arguments
        do {
            return try start(file, command, environment, configuration, childDescriptors)
        } catch .notExecutable where isText(ExecutableSearch.resolve(file, in: configuration.workingDirectory)) {
            // The file is a script without a first line that names its interpreter. `execvp`, and so libuv, runs such a
            // file by the shell.
            return try start(
                "/bin/sh", ["/bin/sh", file] + configuration.arguments, environment, configuration, childDescriptors)
        }
    }

    private static func start(
        _ file: String,
        _ command: [String],
        _ environment: ProcessEnvironment,
        _ configuration: ChildProcess.Configuration,
        _ childDescriptors: [CInt?],
    ) throws(UVError) -> pid_t {
        let arguments = try CStringArray(command.map(RawText.bytes))
        let environment = try CStringArray(environment.entries)

        var actions = posix_spawn_file_actions_t()
        try checkCode(posix_spawn_file_actions_init(&actions))
        defer { posix_spawn_file_actions_destroy(&actions) }
        let duplicates = try addDescriptors(childDescriptors, to: &actions)
        defer { for descriptor in duplicates { OwnedDescriptor(descriptor).close() } }
        // The child gets only the configured descriptors (H41).
        try checkCode(posix_spawn_file_actions_addclosefrom_np(&actions, CInt(childDescriptors.count)))
        if let directory = configuration.workingDirectory {
            try checkCode(
                try RawText.withCString(directory) { posix_spawn_file_actions_addchdir_np(&actions, $0) })
        }

        var attributes = posix_spawnattr_t()
        try checkCode(posix_spawnattr_init(&attributes))
        defer { posix_spawnattr_destroy(&attributes) }
        // Default dispositions and an empty mask, as libuv gives a child (H42: ignored signals become default again).
        // The set is filled by hand: `sigfillset` leaves out the C library's own signals, which `posix_spawn` would
        // then have ignored.
        var signals = sigset_t()
        _ = withUnsafeMutableBytes(of: &signals) { $0.initializeMemory(as: UInt8.self, repeating: 0xFF) }
        try checkCode(posix_spawnattr_setsigdefault(&attributes, &signals))
        sigemptyset(&signals)
        try checkCode(posix_spawnattr_setsigmask(&attributes, &signals))
        var flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK
        if configuration.flags.contains(.detached) { flags |= CInt(UVLOOP_SPAWN_SETSID) }
        try checkCode(posix_spawnattr_setflags(&attributes, Int16(flags)))

        var pid: pid_t = 0
        try checkCode(
            try RawText.withCString(file) {
                posix_spawn(&pid, $0, &actions, &attributes, arguments.pointers, environment.pointers)
            })
        return pid
    }

    /// True if the file may be a script: no zero byte in its first 128 bytes. A shell would take a program of another
    /// machine or system for a script and run it line by line.
    private static func isText(_ file: String) -> Bool {
        withUnsafeTemporaryAllocation(byteCount: 128, alignment: 1) { buffer in
            // True for an unreadable file: the shell reports the error.
            Files.readOnce(file, into: buffer).map { !$0.contains(0) } ?? true
        }
    }

    /// Adds the actions that give the child its descriptors.
    ///
    /// - Returns: descriptors to close after the spawn.
    private static func addDescriptors(
        _ childDescriptors: [CInt?],
        to actions: inout posix_spawn_file_actions_t,
    ) throws(UVError) -> [CInt] {
        var duplicates: [CInt] = []
        do throws(UVError) {
            for (number, descriptor) in childDescriptors.enumerated() {
                let number = CInt(number)
                guard var descriptor else {
                    let flags = number == 0 ? O_RDONLY : O_RDWR
                    try checkCode(posix_spawn_file_actions_addopen(&actions, number, "/dev/null", flags, 0))
                    continue
                }
                if descriptor < childDescriptors.count {
                    // An earlier action could overwrite a low descriptor; its copy has a number above all targets.
                    descriptor = try checkErrno(uvloop_duplicate(descriptor, CInt(childDescriptors.count)))
                    duplicates.append(descriptor)
                }
                try checkCode(posix_spawn_file_actions_adddup2(&actions, descriptor, number))
            }
        } catch {
            for descriptor in duplicates { OwnedDescriptor(descriptor).close() }
            throw error
        }
        return duplicates
    }

    /// Throws for the error number that a `posix_spawn` function returns instead of setting `errno`.
    private static func checkCode(_ code: CInt) throws(UVError) {
        if code != 0 { throw UVError(errno: code) }
    }
}
#endif
