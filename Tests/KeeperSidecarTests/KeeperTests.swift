import TestSupport
import Testing
import UVLoop

@Suite("Keeper: child") struct KeeperTests {
    @Test("The child gets the keeper's environment less PI_KEEPER_*, plus PI_DASHBOARD_SPAWNED, byte for byte")
    func passesEnvironment() throws {
        try withKeeperHome { home in
            // No shell as the child, which would drop names that are none; printf, since a Swift string is UTF-8.
            let keeper = try home.startReady(
                settings: [
                    "PI_KEEPER_PI_CMD": #"["cat"]"#, "PI_KEEPER_PI_ARGS": #"["/proc/self/environ","-"]"#,
                    "PI_KEEPER_CAPTURE_PI_OUTPUT": "1", "PI_KEEPER_X": "secret", "PI_DASHBOARD_SPAWNED": "0",
                    "OTHER": "1 =2",
                ],
                shell: #"BAD=$(printf 'a\377b'); export BAD; exec env "not a name=1" "$@""#)
            try home.until("the child has written") { keeper.log.contains("\0") }
            let log = try Files.read(keeper.logFile, limit: .max)
            let entries = log[(log.firstRange(of: Array("Ms=5000\n".utf8))!.upperBound)...].split(separator: 0)
            #expect(entries.contains(Array("BAD=a".utf8) + [0xFF] + Array("b".utf8)))
            let texts = entries.map { String(decoding: $0, as: UTF8.self) }
            #expect(!texts.contains { $0.hasPrefix("PI_KEEPER_") })
            #expect(texts.filter { $0.hasPrefix("PI_DASHBOARD_SPAWNED") } == ["PI_DASHBOARD_SPAWNED=1"])
            #expect(texts.contains("OTHER=1 =2") && texts.contains("not a name=1"))
            #expect(texts.contains("PI_DASHBOARD_HOME=\(home.base)"))
            #expect(keeper.exitStatus == nil)
        }
    }

    @Test("Arguments reach the child as they are")
    func passesArguments() throws {
        try withKeeperHome { home in
            try writeExecutable(
                "#!/bin/sh\nprintf '<%s>' \"$@\" >$HOME/arguments; exec cat\n", to: "\(home.base)/show")
            _ = try home.startReady(settings: [
                "PI_KEEPER_PI_CMD": #"["\#(home.base)/show","a b",""]"#, "PI_KEEPER_PI_ARGS": #"["*","\u00e9\"\n"]"#,
            ])
            try home.until("the child has written") { home.text("arguments")?.isEmpty == false }
            #expect(home.text("arguments") == "<a b><><*><é\"\n>")
        }
    }

    @Test("The child has three descriptors, no blocked or ignored signal, and its own limits")
    func isClean() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(
                child:
                    "ls -l /proc/$$/fd >$HOME/fds; cat /proc/self/status >$HOME/status; cat /proc/$$/limits >$HOME/limits; echo >$HOME/done; exec cat",
                shell: #"ulimit -S -n 100; ulimit -H -n 5000; trap '' HUP PIPE USR1; exec "$@""#)
            try home.until("the child has written") { home.text("done") != nil }
            let descriptors = home.text("fds")!.split(separator: "\n").compactMap { $0.firstMatch(of: /(\d+) -> (.*)/) }
            // The shell keeps copies of its own from 10 on.
            #expect(descriptors.compactMap { Int($0.output.1) }.filter { $0 < 10 } == [0, 1, 2])
            #expect(descriptors[0].output.2.hasPrefix("pipe:"))
            for field in ["SigBlk", "SigIgn"] {
                let line = home.text("status")!.split(separator: "\n").first { $0.hasPrefix(field) }!
                #expect(UInt64(line.split(separator: "\t")[1], radix: 16)! == 0, "\(line)")
            }
            let files = home.text("limits")!.split(separator: "\n").first { $0.hasPrefix("Max open files") }!
            #expect(files.split(separator: " ").dropFirst(3).prefix(2) == ["100", "5000"])
            #expect(keeper.figures.limit("Max open files") == ["5000", "5000"])
        }
    }

    @Test("The child runs in the directory the keeper was started in")
    func keepsWorkingDirectory() throws {
        try withKeeperHome { home in
            _ = try home.startReady(child: "pwd >$HOME/pwd; exec cat", shell: #"cd $HOME; exec "$@""#)
            try home.until("the child has written") { home.text("pwd")?.isEmpty == false }
            #expect(home.text("pwd") == "\(home.base)\n")
        }
    }

    @Test("The child cannot tell when a client comes or goes: its stdin stays open")
    func keepsStandardInputOpen() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady()
            for number in 0..<20 { try home.send("\(number)\n", to: keeper) }
            try home.until("all arrive") { home.text()?.hasSuffix("19\n") == true }
            #expect(ProcessDetails(of: keeper.childPID!)?.isZombie == false)
        }
    }

    @Test("A keeper killed with SIGKILL gives its child an end of file")
    func endsChildByEndOfFile() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(child: "cat >$HOME/out; echo over >>$HOME/out")
            try home.send("a\n", to: keeper)
            // The end of its connection does not say that the child's pipe has it.
            try home.until("the line arrives") { home.text() == "a\n" }
            try keeper.send(.kill)
            try home.until("the child has seen it") { home.text() == "a\nover\n" }
        }
    }

    @Test("The child is in the keeper's process group")
    func sharesProcessGroup() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(
                child: "cut -d ' ' -f 5 /proc/self/stat >$HOME/group; exec cat", shell: #"exec setsid "$@""#)
            try home.until("the child has written") { home.text("group")?.hasSuffix("\n") == true }
            #expect(home.text("group") == "\(keeper.pid)\n")
        }
    }

    @Test("A working directory that was removed is no obstacle")
    func startsInRemovedDirectory() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(
                shell: #"mkdir "$HOME/gone"; cd "$HOME/gone"; rmdir "$HOME/gone"; exec "$@""#)
            try home.send("line\n", to: keeper)
            try home.until("the line arrives") { home.text() == "line\n" }
        }
    }
}
