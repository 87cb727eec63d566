import Libc
import UVLoop

/// Modes of what is made do not depend on the umask, which is left as it is.
func narrowUmasks(directory: String) throws {
    for mask: mode_t in [0, 0o117, 0o177, 0o277, 0o700, 0o777] {
        umask(mask)
        let base = "\(directory)/\(mask)"
        try Files.makeDirectory(at: base + "/a/b")
        for path in [base, base + "/a", base + "/a/b"] { requireMode(0o700, of: path) }
        for (name, mode) in [("new", OpenFile.Mode.createNew), ("log", .append)] {
            let file = try OpenFile("\(base)/\(name)", mode)
            require(file.statusAtOpening.permissions == 0o600, "\(name) with \(mask): \(file.statusAtOpening)")
            requireMode(0o600, of: "\(base)/\(name)")
        }
        // Whatever is there keeps its mode.
        try Files.setPermissions(0o640, of: base + "/log")
        try Files.setPermissions(0o750, of: base + "/a")
        try OpenFile(base + "/log", .append).close()
        try Files.makeDirectory(at: base + "/a")
        requireMode(0o640, of: base + "/log")
        requireMode(0o750, of: base + "/a")
        let loop = try Loop()
        try PipeListener(bindingTo: base + "/s", on: loop).close()
        requireMode(0o600, of: base + "/s")
        loop.run()
        try loop.close()
        require(umask(0) == mask, "the umask was changed")
    }
}

private func requireMode(_ mode: UInt32, of path: String) {
    let found = try? Files.status(of: path).permissions
    require(found == mode, "\(path) has mode \(found.map { String($0, radix: 8) } ?? "none")")
}

/// As a user without privileges, each kind of obstacle is found and named.
func pathObstacles(directory: String) throws {
    let isRoot = geteuid() == 0
    if isRoot {
        try Files.makeDirectory(at: directory + "/admin")
        require(chown(directory, 65534, 65534) == 0 && setgid(65534) == 0 && setuid(65534) == 0, "cannot become nobody")
    }
    try Files.makeDirectory(at: directory + "/a/b")
    let file = directory + "/a/b/file"
    try OpenFile(file, .createNew).close()
    requireObstacle("\(directory)/a has mode 600", on: file) { try Files.setPermissions(0o600, of: directory + "/a") }
    try Files.setPermissions(0o700, of: directory + "/a")
    requireObstacle("\(file) has mode 0", on: file) { try Files.setPermissions(0, of: file) }
    requireObstacle("\(directory)/a/b has mode 500", on: directory + "/a/b/c/d") {
        try Files.setPermissions(0o500, of: directory + "/a/b")
    }
    for (link, target) in [("absolute", directory + "/a/b/none"), ("relative", "a/b/none"), ("loop", "loop")] {
        require(symlink(target, "\(directory)/\(link)") == 0, "no link")
    }
    for link in ["absolute", "relative/below"] {
        requireObstacle("\(directory)/a/b has mode 500", on: "\(directory)/\(link)") {}
    }
    require(PathObstacle(directory + "/loop/x") == nil, "a loop is no want of permission")
    guard isRoot else { return }
    requireObstacle("\(directory)/admin belongs to root and has mode 700", on: directory + "/admin/x") {}
    requireObstacle("\(directory)/admin belongs to root and has mode 700", on: directory + "/hidden") {
        require(symlink("admin/x", directory + "/hidden") == 0, "no link")
    }
}

private func requireObstacle(_ words: String, on path: String, _ prepare: () throws -> Void) {
    do { try prepare() } catch { fail("\(words): \(error)") }
    let found = PathObstacle(path)
    require(found?.description == words, "\(path): \(found.map { "\($0)" } ?? "nothing"), not \(words)")
    let described = UVError.accessDenied.description(at: path)
    require(described == "\(UVError.accessDenied): \(words)", described)
}

/// A text for a standard error that nobody reads ends after a while, blocking or not.
func fullStandardError() {
    for isBlocking in [true, false] {
        var ends: [CInt] = [-1, -1]
        require(pipe(&ends) == 0, "no pipe")
        let kept = dup(2)
        _ = fcntl(ends[1], F_SETFL, O_NONBLOCK)
        let block = [UInt8](repeating: 0, count: 4096)
        while Glibc.write(ends[1], block, block.count) > 0 {}
        if isBlocking { _ = fcntl(ends[1], F_SETFL, 0) }
        dup2(ends[1], 2)
        StandardStreams.writeError("lost")
        // Room for a part of it.
        var room = [UInt8](repeating: 0, count: 8192)
        require(read(ends[0], &room, room.count) == room.count, "cannot read")
        StandardStreams.writeError(String(repeating: "x", count: 100_000))
        dup2(kept, 2)
        for descriptor in [kept, ends[0], ends[1]] { close(descriptor) }
    }
}
