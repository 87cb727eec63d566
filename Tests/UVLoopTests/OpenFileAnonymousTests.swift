import TestSupport
import Testing
import UVLoop

@Suite("An anonymous file") struct OpenFileAnonymousTests {
    @Test("has the bytes from its start on for whom it is handed to, and no name") func holds() throws {
        try withTemporaryDirectory { directory in
            let bytes = [UInt8](repeating: 7, count: 300_000)
            let file = try OpenFile.anonymous(holding: bytes, in: directory)
            #expect(try Files.names(inDirectory: directory).isEmpty)
            try withLoop { loop in
                var count = 0
                let child = try ChildProcess(
                    .init(executable: "cat", stdio: [.descriptor(file.descriptor), .pipe]), on: loop
                ) { _, _ in }
                try child.streams[1]?.collect { count = $0.count }
                loop.run()
                #expect(count == bytes.count)
            }
            file.close()
            #expect(try OpenFile.anonymous(holding: [], in: directory).read(limit: 1).isEmpty)
        }
    }
}
