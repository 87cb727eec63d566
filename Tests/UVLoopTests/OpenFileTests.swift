import Libc
import TestSupport
import Testing
import UVLoop

@Suite("An open file") struct OpenFileTests {
    @Test("is written, read up to a limit, and cut") func contents() throws {
        try withTemporaryDirectory { directory in
            let file = try OpenFile(directory + "/f", .createNew)
            #expect(try file.read(limit: 10) == [])
            try file.write([1, 2, 3])
            try file.write([])
            try file.write([4, 5])
            #expect(try file.read(limit: 10) == [1, 2, 3, 4, 5])
            #expect(try file.read(limit: 2) == [1, 2])
            #expect(try Files.read(directory + "/f", limit: 3) == [1, 2, 3])
            try file.truncate(to: 1)
            #expect(try file.status().size == 1)
            try file.truncate()
            #expect(try file.read(limit: 10) == [])
        }
    }

    @Test("takes room beyond its end, and is written at an offset") func room() throws {
        try withTemporaryDirectory { directory in
            let file = try OpenFile(directory + "/f", .createNew)
            try file.allocate(16384)
            #expect(try file.status().size == 0)
            try file.write([1, 2, 3, 4])
            try file.write([5, 6], at: 1)
            try file.write([7])
            #expect(try file.read(limit: 10) == [1, 5, 6, 4, 7])
            #expect(throws: UVError.self) { try OpenFile(directory + "/f", .readOnly).allocate(16384) }
        }
    }

    @Test("opened for appending goes on at the end, even after a cut by others") func appends() throws {
        try withTemporaryDirectory { directory in
            let path = directory + "/log"
            let log = try OpenFile(path, .append)
            try log.write([1, 2, 3])
            try OpenFile(path, .readWrite).truncate(to: 1)
            try log.write([4])
            #expect(try Files.read(path, limit: 10) == [1, 4])
            try OpenFile(path, .append).write([5])
            #expect(try Files.read(path, limit: 10) == [1, 4, 5])
        }
    }

    @Test("is no link, directory, pipe, socket or device, and none of them blocks") func kinds() throws {
        try withTemporaryDirectory { directory in
            let file = try OpenFile(directory + "/f", .createNew)
            symlink("f", directory + "/link")
            mkfifo(directory + "/fifo", 0o600)
            try withLoop { loop in try PipeListener(bindingTo: directory + "/socket", on: loop).close() }
            for mode in [OpenFile.Mode.readOnly, .readWrite, .append] {
                #expect(throws: UVError.symbolicLink) { try OpenFile(directory + "/link", mode) }
                #expect(throws: UVError.isDirectory) { try OpenFile(directory, mode) }
                #expect(throws: UVError.invalidArgument) { try OpenFile(directory + "/fifo", mode) }
                #expect(throws: UVError.invalidArgument) { try OpenFile(directory + "/socket", mode) }
                #expect(throws: UVError.invalidArgument) { try OpenFile("/dev/null", mode) }
            }
            for name in ["f", "link", "fifo"] {
                #expect(throws: UVError.exists) { try OpenFile("\(directory)/\(name)", .createNew) }
            }
            #expect(throws: UVError.noEntry) { try OpenFile(directory + "/none", .readWrite) }
            #expect(try file.status().kind == .regular)
        }
    }

    @Test("is closed when it is released, on exec, and once") func closes() throws {
        try withTemporaryDirectory { directory in
            var file: OpenFile? = try OpenFile(directory + "/f", .createNew)
            #expect(fcntl(try #require(file).descriptor, F_GETFD) & FD_CLOEXEC != 0)
            file?.close()
            file?.close()
            #expect(file?.descriptor == -1)
            #expect(throws: UVError.badDescriptor) { try file?.write([1]) }
            file = nil
        }
    }

    @Test("is read at once into the caller's memory, as far as that goes") func readOnce() throws {
        try withTemporaryDirectory { directory in
            let file = try OpenFile(directory + "/f", .createNew)
            var memory = [UInt8](repeating: 0, count: 4)
            func read() throws -> [UInt8] { try memory.withUnsafeMutableBytes { Array(try file.readOnce(into: $0)) } }
            #expect(try read() == [])
            try file.write([1, 2, 3])
            #expect(try read() == [1, 2, 3])
            try file.write([4, 5])
            #expect(try read() == [1, 2, 3, 4])
            file.close()
            #expect(throws: UVError.badDescriptor) { try read() }
        }
    }

    @Test("of the system that claims to be empty is read all the same") func proc() throws {
        #expect(try !Files.read("/proc/self/cmdline", limit: 4096).isEmpty)
        #expect(try Files.read("/proc/self/stat", limit: 3).count == 3)
    }
}
