import TestSupport
import Testing
import UVLoop

@Suite("RawText") struct RawTextTests {
    @Test(
        "valid UTF-8 is itself",
        arguments: ["", "a/b", "žluťoučký 🐳", "e\u{301}", "\u{10FFFD}x".dropLast(1) + "", "\u{10FF7F}"])
    func valid(text: String) {
        let isMapped = text.unicodeScalars.contains { RawText.scalars.contains($0) }
        #expect(RawText.isPlain(text) == !isMapped)
        guard !isMapped else { return }
        #expect(RawText.bytes(of: text) == Array(text.utf8))
        #expect(RawText.string(Array(text.utf8)).unicodeScalars.elementsEqual(text.unicodeScalars))
        #expect(RawText.byteCount(of: text) == text.utf8.count)
    }

    @Test("a byte that is no UTF-8 is a scalar of its own, and one again")
    func invalid() {
        #expect(RawText.string([0x63, 0xE9, 0x2E]).unicodeScalars.map(\.value) == [0x63, 0x10FFE9, 0x2E])
        #expect(RawText.bytes(of: "c\u{10FFE9}.") == [0x63, 0xE9, 0x2E])
        #expect(!RawText.isPlain("c\u{10FFE9}.") && RawText.byteCount(of: "c\u{10FFE9}.") == 3)
        // The sequences are cut in the middle, too long for their scalar, a surrogate, beyond Unicode, and scalars that
        // represent bytes.
        for bytes: [UInt8] in [
            [0xC3], [0xE2, 0x82], [0xF0, 0x9F, 0x90], [0xC0, 0xAF], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80],
            [0xF4, 0x8F, 0xBF, 0xA9], [0x80, 0xC3, 0xA9, 0xC3],
        ] {
            let text = RawText.string(bytes)
            #expect(RawText.bytes(of: text) == bytes, "\(bytes)")
            #expect(!RawText.isPlain(text) && RawText.byteCount(of: text) == bytes.count, "\(bytes)")
        }
    }

    @Test("every sequence of bytes gives a text that gives these bytes, each another one")
    func isLossless() {
        // The list has the bytes at which the decoding of UTF-8 can go wrong.
        let bytes: [UInt8] = [
            0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0xA0, 0xBE, 0xBF, 0xC0, 0xC2, 0xDF, 0xE0, 0xED, 0xEF, 0xF0, 0xF4, 0xF5,
            0xFF,
        ]
        var texts: Set<[UInt32]> = []
        var count = 0
        for a in bytes {
            for b in bytes {
                for c in bytes {
                    for d in bytes {
                        let sequence = [a, b, c, d]
                        let text = RawText.string(sequence)
                        if RawText.bytes(of: text) != sequence { Issue.record("\(sequence)") }
                        texts.insert(text.unicodeScalars.map(\.value))
                        count += 1
                    }
                }
            }
        }
        #expect(texts.count == count)
    }

    @Test("files, directories and sockets whose names are not UTF-8 are the ones that were named")
    func files() throws {
        try withTemporaryDirectory { directory in
            let home = directory + "/caf" + RawText.string([0xE9])
            try Files.makeDirectory(at: home)
            #expect(
                try Files.names(inDirectory: directory).map { RawText.bytes(of: $0) } == [[0x63, 0x61, 0x66, 0xE9]])
            let name = home + "/" + RawText.string([0xFF, 0x2E])
            try Posix.write("here", to: home + "/first")
            try Files.rename(home + "/first", to: name)
            try Files.link(name, to: name + "2")
            #expect(try Files.read(name + "2", limit: 9) == Array("here".utf8))
            #expect(try Files.realPath(of: home + "/../" + "caf" + RawText.string([0xE9])) == Files.realPath(of: home))
            #expect(try Files.names(inDirectory: home).map { RawText.byteCount(of: $0) } == [2, 3])
            try withLoop { loop in
                let listener = try PipeListener(bindingTo: home + "/s", on: loop)
                try listener.listen { _, _ in }
                #expect(SocketProbe(home + "/s") == .accepting(pid: CurrentProcess.id))
                listener.close()
            }
            for name in try Files.names(inDirectory: home) { try Files.unlink("\(home)/\(name)") }
            try Files.removeDirectory(home)
        }
    }

    @Test("a socket's path is counted in the bytes it stands for") func socketPath() throws {
        let path = "/" + String(repeating: RawText.string([0xE9]), count: SocketPath.maximumLength - 1)
        try SocketPath.check(path)
        #expect(throws: UVError.nameTooLong) { try SocketPath.check(path + "a") }
    }

    @Test(
        "a child gets arguments, variables and directory as they are, by either way of starting it",
        arguments: [false, true])
    func child(usesLibuv: Bool) throws {
        try withTemporaryDirectory { directory in
            let raw = RawText.string([0xE9])
            try Files.makeDirectory(at: directory + "/d" + raw)
            let script = directory + "/run"
            try Posix.write(
                "#!/bin/sh\n[ \"$1\" = \"$(printf '\\351')\" ] && [ \"$V\" = \"$(printf 'x\\351')\" ] && "
                    + "[ \"${PWD##*/}\" = \"$(printf 'd\\351')\" ]\n", to: script)
            try Posix.setPermissions(0o700, of: script)
            try Files.rename(script, to: script + raw)
            var environment = ProcessEnvironment.current
            environment["V"] = "x" + raw
            environment["PWD"] = nil
            #expect(environment["V"] == "x" + raw && environment.variables["V"] == "x" + raw)
            var configuration = ChildProcess.Configuration(
                executable: script + raw, arguments: [raw], environment: environment,
                workingDirectory: directory + "/d" + raw)
            configuration.usesLibuv = usesLibuv
            try withLoop { loop in
                _ = try ChildProcess(configuration, on: loop) { _, status in #expect(status == .exited(code: 0)) }
            }
        }
    }
}
