import Libc
import TestSupport
import Testing
import UVLoop

@Suite("Files") struct FilesTests {
    @Test("make a directory with its parents, and are content with one that is there") func makeDirectory() throws {
        try withTemporaryDirectory { directory in
            let path = directory + "/a//b/c/"
            try Files.makeDirectory(at: path)
            try Files.makeDirectory(at: path)
            #expect(try Files.status(of: path).kind == .directory)
            #expect(try Files.status(of: directory + "/a").permissions & 0o077 == 0)
            _ = try OpenFile(directory + "/f", .createNew)
            #expect(throws: UVError.exists) { try Files.makeDirectory(at: directory + "/f") }
            #if os(Linux)
            // No directory can be made there, although the parent exists.
            #expect(throws: UVError.noEntry) { try Files.makeDirectory(at: "/proc/x/y") }
            #endif
            #expect(throws: UVError.notDirectory) { try Files.makeDirectory(at: directory + "/f/g") }
            symlink("nowhere", directory + "/dangling")
            #expect(throws: UVError.self) { try Files.makeDirectory(at: directory + "/dangling") }
            #expect(throws: UVError.self) { try Files.makeDirectory(at: directory + "/dangling/x") }
            #expect(throws: UVError.noEntry) { try Files.makeDirectory(at: "") }
        }
    }

    @Test("replace a file in one step, keep its permissions, and leave nothing behind") func replace() throws {
        try withTemporaryDirectory { directory in
            let path = directory + "/f"
            try Files.replace(path, with: [1, 2], isSynchronous: true)
            let old = try OpenFile(path, .readOnly)
            try Posix.setPermissions(0o640, of: path)
            try Files.replace(path, with: [3])
            #expect(try Files.read(path, limit: 10) == [3] && Files.status(of: path).permissions == 0o640)
            #expect(try old.read(limit: 10) == [1, 2])
            try Files.replace(path, with: [], permissions: 0o604)
            #expect(try Files.read(path, limit: 10) == [] && Files.status(of: path).permissions == 0o604)
            // The link itself is replaced.
            try Posix.makeSymbolicLink(at: directory + "/link", to: "f")
            try Files.replace(directory + "/link", with: [4])
            #expect(try Files.read(directory + "/link", limit: 10) == [4] && Files.read(path, limit: 10) == [])
            #expect(throws: UVError.noEntry) { try Files.replace(directory + "/none/f", with: []) }
            try Files.makeDirectory(at: directory + "/d")
            #expect(throws: UVError.isDirectory) { try Files.replace(directory + "/d", with: []) }
            #expect(try Files.names(inDirectory: directory) == ["d", "f", "link"])
        }
    }

    @Test("rename, link, unlink and list") func names() throws {
        try withTemporaryDirectory { directory in
            let file = try OpenFile(directory + "/b", .createNew)
            try Files.link(directory + "/b", to: directory + "/a")
            #expect(throws: UVError.exists) { try Files.link(directory + "/b", to: directory + "/a") }
            #expect(try Files.names(inDirectory: directory) == ["a", "b"])
            try Files.rename(directory + "/b", to: directory + "/Z")
            #expect(try Files.names(inDirectory: directory) == ["Z", "a"])
            #expect(try Files.status(of: directory + "/Z").identity == file.status().identity)
            try Files.unlink(directory + "/a")
            #expect(throws: UVError.noEntry) { try Files.unlink(directory + "/a") }
            try Files.unlinkIfPresent(directory + "/a")
            #expect(throws: UVError.notEmpty) { try Files.removeDirectory(directory) }
            #expect(throws: UVError.noEntry) { try Files.names(inDirectory: directory + "/none") }
            #expect(throws: UVError.notDirectory) { try Files.names(inDirectory: directory + "/Z") }
        }
    }

    @Test("rename to a name that nothing has, and exchange two") func renamesInOneStep() throws {
        try withTemporaryDirectory { directory in
            let (a, b, c) = (directory + "/a", directory + "/b", directory + "/c")
            let first = try OpenFile(a, .createNew).statusAtOpening.identity
            let second = try OpenFile(b, .createNew).statusAtOpening.identity
            #expect(throws: UVError.exists) { try Files.rename(a, toNew: b) }
            #expect(throws: UVError.noEntry) { try Files.rename(c, toNew: directory + "/d") }
            try Files.rename(a, toNew: c)
            #expect(try Files.names(inDirectory: directory) == ["b", "c"])
            #expect(try Files.status(of: c).identity == first)
            #expect(throws: UVError.noEntry) { try Files.exchange(a, with: b) }
            // False where the file system cannot do it, and then nothing has changed.
            let isDone = try Files.exchange(b, with: c)
            #expect(try Files.status(of: b).identity == (isDone ? first : second))
            #expect(try Files.status(of: c).identity == (isDone ? second : first))
        }
    }

    @Test("list the names with the wanted begin and ends, sorted") func namesWanted() throws {
        try withTemporaryDirectory { directory in
            for name in ["b.pid", "a.pid", "pid", ".pid", "a.log", "a.pi-pid", "é.pid"] {
                _ = try OpenFile("\(directory)/\(name)", .createNew)
            }
            let ends = [".pid", ".log"]
            let names = try Files.names(inDirectory: directory, endingIn: ends)
            #expect(names == [".pid", "a.log", "a.pid", "b.pid", "é.pid"])
            #expect(try Files.names(inDirectory: directory, endingIn: [".sock"]).isEmpty)
            #expect(try Files.names(inDirectory: directory, startingWith: "a.", endingIn: ends) == ["a.log", "a.pid"])
            #expect(try Files.names(inDirectory: directory, startingWith: "a.p") == ["a.pi-pid", "a.pid"])
            #expect(try Files.names(inDirectory: directory, startingWith: "a.pid.").isEmpty)
            #expect(throws: UVError.noEntry) { try Files.names(inDirectory: directory + "/none", endingIn: ends) }
        }
    }

    @Test("unlink only what is still the same file") func unlinkIfStill() throws {
        try withTemporaryDirectory { directory in
            let path = directory + "/f"
            let first = try OpenFile(path, .createNew)
            let identity = try first.status().identity
            try Files.unlink(path)
            let second = try OpenFile(path, .createNew)
            #expect(try !Files.unlink(path, ifStill: identity))
            #expect(try Files.unlink(path, ifStill: second.status().identity))
            #expect(try !Files.unlink(path, ifStill: second.status().identity))
            // A link to the file is another file.
            _ = try OpenFile(directory + "/g", .createNew)
            symlink("g", path)
            #expect(try !Files.unlink(path, ifStill: Files.status(of: directory + "/g").identity))
        }
    }

    @Test("tell a link from what it points to") func links() throws {
        try withTemporaryDirectory { directory in
            let path = try Files.realPath(of: directory)
            symlink(".", path + "/link")
            #expect(try Files.status(of: path + "/link").kind == .directory)
            #expect(try Files.status(of: path + "/link", followingLinks: false).kind == .symbolicLink)
            #expect(try Files.realPath(of: path + "/link/link/.") == path)
            #expect(throws: UVError.noEntry) { try Files.realPath(of: path + "/none") }
            let now = Duration.seconds(Int64(time(nil)))
            #expect(try Files.status(of: path).modifiedAt > now - .seconds(600))
            #expect(try Files.status(of: path).owner == getuid())
        }
    }

    @Test("refuse a path with a zero byte instead of cutting it off") func zeroByte() throws {
        try withTemporaryDirectory { directory in
            let path = directory + "/f"
            _ = try OpenFile(path, .createNew)
            let cut = path + "\0g"
            #expect(throws: UVError.invalidArgument) { try Files.unlink(cut) }
            #expect(throws: UVError.invalidArgument) { try Files.unlinkIfPresent(cut) }
            #expect(throws: UVError.invalidArgument) { try Files.rename(cut, to: path + "2") }
            #expect(throws: UVError.invalidArgument) { try Files.rename(path, to: path + "2\0") }
            #expect(throws: UVError.invalidArgument) { try Files.status(of: cut) }
            #expect(throws: UVError.invalidArgument) { try Files.makeDirectory(at: directory + "/d\0e") }
            #expect(throws: UVError.invalidArgument) { try Files.read(cut, limit: 1) }
            #expect(throws: UVError.invalidArgument) { try Files.names(inDirectory: directory + "\0") }
            #expect(throws: UVError.invalidArgument) { try Files.realPath(of: cut) }
            #expect(!Files.isExecutable("/bin/sh\0"))
            #expect(try Files.names(inDirectory: directory) == ["f"])
        }
    }

    @Test(
        "know the parent of a path",
        arguments: [
            ("/a/b", "/a"), ("/a", "/"), ("a/b", "a"), ("/a/b/", "/a"), ("//a", "/"), ("a/\u{301}b", "a"),
            ("/", nil), ("a", nil), ("", nil), ("a/", nil), ("//", nil),
        ] as [(String, String?)]) func parent(path: String, parent: String?)
    {
        #expect(Files.parent(of: path) == parent)
    }

    @Test("are executable when they are files that may be executed") func executable() throws {
        try withTemporaryDirectory { directory in
            #expect(!Files.isExecutable(directory))
            #expect(!Files.isExecutable(directory + "/f"))
            _ = try OpenFile(directory + "/f", .createNew)
            #expect(!Files.isExecutable(directory + "/f"))
            chmod(directory + "/f", 0o700)
            #expect(Files.isExecutable(directory + "/f"))
        }
    }

    @Test("directories, files and sockets have their modes whatever the umask, and those that were there keep theirs")
    func umasks() throws {
        try withTemporaryDirectory { directory in try expectScenario("narrow-umasks", directory) }
    }
}
