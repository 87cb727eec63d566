import TestSupport
import Testing
import UVLoop

@Suite("A file tail whose directory goes") struct FileTailDirectoryTests {
    enum End: CaseIterable, Sendable {
        case removed, parentRemoved, fileInItsPlace
    }

    @Test("follows what is made in a new one, also if the old file was open until then", arguments: End.allCases)
    func goes(how: End) throws {
        try withTemporaryDirectory { base in
            let (parent, directory) = (base + "/a", base + "/a/b")
            try Files.makeDirectory(at: parent)
            try Files.makeDirectory(at: directory)
            try Posix.write("old\n", to: directory + "/f")
            try withLoop { loop in
                let follower = Follower(directory + "/f", on: loop)
                try follower.start(from: .end)
                // Ends the looks under way: the loop of an unreferenced tail ends with them.
                func rest() {
                    follower.tail.unref()
                    loop.run()
                    follower.tail.ref()
                }
                rest()
                switch how {
                case .removed, .parentRemoved:
                    try Files.unlink(directory + "/f")
                    try follower.run { $0.events.last == .missing }
                    rest()
                    try Posix.removeDirectory(directory)
                    // An event does not keep the loop running, so the look that it causes may still be to come.
                    loop.run(.noWait)
                    rest()
                    if how == .parentRemoved {
                        try Posix.removeDirectory(parent)
                        loop.run(.noWait)
                        rest()
                        try Files.makeDirectory(at: parent)
                    }
                case .fileInItsPlace:
                    try Files.rename(directory, to: base + "/old")
                    try Posix.write("no directory", to: directory)
                    try follower.run { if case .unusable = $0.events.last { true } else { false } }
                    rest()
                    try Files.unlink(directory)
                }
                try Files.makeDirectory(at: directory)
                try Posix.write("new\n", to: directory + "/f")
                try follower.run { $0.text == "new\n" }
                follower.tail.close()
            }
        }
    }
}
