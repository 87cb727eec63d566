import KeeperProtocol
import TestSupport
import Testing
import UVLoop

/// Owners are tested by another process, as another user: ``expectScenario(_:sourceLocation:)``.
@Suite("A private directory") struct PrivateDirectoryTests {
    private func withDirectory(_ body: (String) throws -> Void) throws {
        try withTemporaryDirectory { try body(try Files.realPath(of: $0)) }
    }

    @Test("is opened, and entered whatever has its path by then") func opens() throws {
        try withDirectory { base in
            try Files.makeDirectory(at: "\(base)/a/b")
            let directory = try PrivateDirectory("\(base)/a//./b/")
            #expect(directory.exposure == nil && directory.directory != nil)
            #expect(try PrivateDirectory("\(base)/a/../a/b").exposure == nil)
            #expect(throws: UVError.noEntry) { _ = try PrivateDirectory("\(base)/none") }
            #expect(throws: UVError.noEntry) { _ = try PrivateDirectory("") }
            try Posix.write("", to: "\(base)/file")
            #expect(throws: UVError.notDirectory) { _ = try PrivateDirectory("\(base)/file") }
            #expect(throws: UVError.notDirectory) { _ = try PrivateDirectory("\(base)/file/x") }
            #expect(throws: UVError.invalidArgument) { _ = try PrivateDirectory("\(base)/a\0") }
            try expectScenario("enter-private", base)
        }
    }

    @Test("is made with its parents, all of mode 700, whatever the umask is") func made() throws {
        try withDirectory { base in
            _ = try PrivateDirectory(making: "\(base)/x/y")
            for path in ["x", "x/y"] { #expect(try Files.status(of: "\(base)/\(path)").permissions & 0o777 == 0o700) }
            for mask in ["0", "117", "177", "277", "777"] {
                try expectScenario("make-private", "\(base)/\(mask)", mask)
            }
        }
    }

    @Test("is exposed by a mode, at the end or on the way; sticky is enough on the way") func modes() throws {
        try withDirectory { base in
            let path = "\(base)/a/b"
            try Files.makeDirectory(at: path)
            for mode: UInt32 in [0o700, 0o755, 0o775, 0o770] {
                try Posix.setPermissions(mode, of: path)
                #expect(try PrivateDirectory(path).exposure == nil, "\(String(mode, radix: 8))")
            }
            for mode: UInt32 in [0o777, 0o702, 0o1777] {
                try Posix.setPermissions(mode, of: path)
                let text = "everybody may write to it, its mode is \(String(mode, radix: 8))"
                #expect(try PrivateDirectory(path).exposure?.description == text)
            }
            try Posix.setPermissions(0o700, of: path)
            try Posix.setPermissions(0o777, of: "\(base)/a")
            let exposed = try PrivateDirectory(path)
            #expect(
                exposed.exposure?.description == "everybody may write to \(base)/a, on the way to it, whose mode is 777"
            )
            #expect(exposed.directory == nil)
            #expect(throws: UVError.notPermitted) { try exposed.enter() }
            _ = try PrivateDirectory(making: "\(base)/a/new")
            #expect(try Files.names(inDirectory: "\(base)/a") == ["b"], "nothing is made in an exposed one")
            try Posix.setPermissions(0o1777, of: "\(base)/a")
            #expect(try PrivateDirectory(path).exposure == nil)
        }
    }

    @Test("is judged along symbolic links, of which there may be forty") func links() throws {
        try withDirectory { base in
            try Files.makeDirectory(at: "\(base)/open/in")
            try Files.makeDirectory(at: "\(base)/closed")
            try Posix.setPermissions(0o777, of: "\(base)/open")
            try Posix.makeSymbolicLink(at: "\(base)/absolute", to: "\(base)/open/in")
            try Posix.makeSymbolicLink(at: "\(base)/closed/relative", to: "../open/../open/in/.")
            try Posix.makeSymbolicLink(at: "\(base)/good", to: "closed")
            for path in ["absolute", "closed/relative"] {
                #expect(
                    try PrivateDirectory("\(base)/\(path)").exposure?.description.contains("\(base)/") == true,
                    "\(path)")
            }
            let good = try PrivateDirectory(making: "\(base)/good/made")
            #expect(good.exposure == nil)
            #expect(try Files.names(inDirectory: "\(base)/closed") == ["made", "relative"])
            try Posix.makeSymbolicLink(at: "\(base)/loop", to: "loop")
            #expect(throws: UVError.symbolicLink) { _ = try PrivateDirectory("\(base)/loop") }
            try Posix.makeSymbolicLink(at: "\(base)/l0", to: "closed")
            for number in 1...40 { try Posix.makeSymbolicLink(at: "\(base)/l\(number)", to: "l\(number - 1)") }
            #expect(try PrivateDirectory("\(base)/l39").exposure == nil)
            #expect(throws: UVError.symbolicLink) { _ = try PrivateDirectory("\(base)/l40") }
        }
    }

    @Test(
        "belongs to the owner of the directory that root makes it in, unless that is sticky",
        .enabled(if: Posix.isRoot, "only root makes directories for others"))
    func inherited() throws {
        try withDirectory { base in
            for (mode, owner) in [(0o755, 65534), (0o1755, 0)] as [(UInt32, UInt32)] {
                let home = "\(base)/\(mode)"
                try Files.makeDirectory(at: home, permissions: mode)
                try Posix.setOwner(65534, 65533, of: home)
                #expect(try PrivateDirectory(making: "\(home)/a/b").exposure == nil)
                for path in ["a", "a/b"] {
                    let status = try Files.status(of: "\(home)/\(path)")
                    #expect(status.owner == owner && status.permissions == 0o700)
                    #expect(status.group == (owner == 0 ? 0 : 65533))
                }
            }
        }
    }

    @Test("is exposed by the owner of a component or a link, and by an access control list") func owners() throws {
        try withDirectory { base in
            try expectScenario("owned-private", base)
            // Access control lists must be readable where no /proc is mounted, too. LeakSanitizer does not work there.
            try expectScenario("owned-private", "\(base)/bare", "hides-proc", leaks: true)
        }
    }
}
