import KeeperProtocol
import Libc
import UVLoop

/// Enters a directory after its path has come to lead elsewhere.
func enterPrivate(_ base: String) throws {
    let directory = try PrivateDirectory("\(base)/a/b")
    try Files.rename("\(base)/a", to: "\(base)/moved")
    try Files.makeDirectory(at: "\(base)/a/b")
    try directory.enter()
    require(
        try CurrentProcess.workingDirectory() == "\(base)/moved/b",
        "entered \((try? CurrentProcess.workingDirectory()) ?? "?")")
}

/// Makes a directory and its parent with a umask, given in octal digits.
func makePrivate(_ path: String, mask: String) throws {
    umask(mode_t(mask, radix: 8)!)
    let directory = try PrivateDirectory(making: "\(path)/x")
    require(directory.exposure == nil, directory.exposure?.description ?? "")
    for path in [path, "\(path)/x"] {
        let mode = try Files.status(of: path).permissions & 0o777
        require(mode == 0o700, "\(path) has mode \(String(mode, radix: 8))")
    }
}

/// Judges directories that belong to others, as a user who is not root; nothing to do without root.
///
/// - Parameter hidesProc: true: where no /proc is mounted, if that can be made.
func ownedPrivate(_ base: String, hidesProc: Bool) throws {
    guard geteuid() == 0 else { return }
    if hidesProc {
        guard unshareSystem(newNamespaceOfMounts) == 0 else { return }
        require(mount("none", "/", nil, UInt(MS_REC | MS_PRIVATE), nil) == 0, "mount")
        require(umount2("/proc", CInt(MNT_DETACH)) == 0, "umount2")
        require(!Files.exists("/proc/self"), "/proc is still there")
        try Files.makeDirectory(at: base)
    }
    let me: uid_t = 65534
    let other: uid_t = 65533
    require(chmod(base, 0o755) == 0, "chmod")
    for name in ["theirs", "theirs/mine", "mine", "listed", "listed/mine", "masked", "lent", "closed", "crowded"] {
        try Files.makeDirectory(at: "\(base)/\(name)")
        require(chmod("\(base)/\(name)", 0o755) == 0, "chmod")
        require(
            chown("\(base)/\(name)", name.hasPrefix("theirs") && name != "theirs/mine" ? other : me, me) == 0, "chown")
    }
    for (name, owner) in [("mylink", me), ("theirlink", other)] {
        require(symlink("mine", "\(base)/\(name)") == 0, "symlink")
        require(lchown("\(base)/\(name)", owner, owner) == 0, "lchown")
    }
    let hasLists =
        setAccessList(of: "\(base)/listed", users: [other], mask: 7)
        && setAccessList(of: "\(base)/masked", users: [other], mask: 5)
        && setAccessList(of: "\(base)/lent", users: [0, me], mask: 7)
        && setAccessList(of: "\(base)/closed", users: [other], mask: 7) && chmod("\(base)/closed", 0o330) == 0
    // More than some file systems keep.
    let hasLongList = setAccessList(of: "\(base)/crowded", users: Array(other - 600...other), mask: 7)
    func expect(_ name: String, _ words: String?) throws {
        let exposure = try PrivateDirectory("\(base)/\(name)").exposure?.description
        let isRight = words.map { exposure?.contains($0) == true } ?? (exposure == nil)
        require(isRight, "\(name): \(exposure ?? "private")")
    }
    if hasLists {
        // Root may use anybody's, and is let down by nobody's friends.
        try expect("theirs", nil)
        try expect("listed", "user 65533 may write to it by its access control list")
        try expect("lent", nil)
    }
    require(setgid(me) == 0 && setuid(me) == 0, "setuid")
    try expect("mine", nil)
    try expect("mylink", nil)
    try expect("theirs", "it belongs to user 65533")
    try expect("theirs/mine", "\(base)/theirs, on the way to it, belongs to user 65533")
    try expect("theirlink", "theirlink on the way to it belongs to user 65533")
    guard hasLists else { return }
    try expect("listed", "user 65533 may write to it by its access control list")
    try expect("listed/mine", "user 65533 may write to \(base)/listed")
    try expect("masked", nil)
    try expect(
        "closed", hidesProc ? "cannot be looked at" : "user 65533 may write to it by its access control list")
    if hasLongList { try expect("crowded", "user \(other - 600) may write to it by its access control list") }
}

/// Lets users have a directory; false if the file system keeps no such lists.
private func setAccessList(of path: String, users: [uid_t], mask: UInt16) -> Bool {
    var bytes: [UInt8] = [2, 0, 0, 0]
    func add(_ tag: UInt16, _ permissions: UInt16, _ id: UInt32 = .max) {
        for value in [tag, permissions] { withUnsafeBytes(of: value.littleEndian) { bytes += $0 } }
        withUnsafeBytes(of: id.littleEndian) { bytes += $0 }
    }
    add(0x01, 7)
    for user in users { add(0x02, 7, user) }
    add(0x04, 5)
    add(0x10, mask)
    add(0x20, 5)
    return path.withCString { setAttribute($0, "system.posix_acl_access", bytes, bytes.count, 0) } == 0
}

/// `CLONE_NEWNS`.
private let newNamespaceOfMounts: CInt = 0x20000

@_silgen_name("unshare")
private func unshareSystem(_ flags: CInt) -> CInt

/// Swift's module of the C library leaves it out.
@_silgen_name("setxattr")
private func setAttribute(
    _ path: UnsafePointer<CChar>, _ name: UnsafePointer<CChar>, _ value: UnsafePointer<UInt8>, _ count: Int,
    _ flags: CInt
) -> CInt
