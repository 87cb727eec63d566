import TestSupport
import Testing
import UVKeeper

@Suite(
    "uvkeeper status, list and doctor ask for a service's KillMode",
    .enabled(if: Posix.isRoot, "only root can make control groups"))
struct KillModeQuestionTests {
    private func withService(_ body: (CommandHome, _ group: TestControlGroup, _ inside: String) throws -> Void) throws {
        let isPossible = try TestControlGroup.with { group in
            try CommandHome.with { home in
                let service = try group.make("test.service")
                let script = """
                    #!/bin/sh
                    [ "$*" = "show --property=KillMode --value -- test.service" ] || exit 1
                    read -r answer <"$0.answer" && [ "$answer" != silence ] || exec sleep 1000
                    echo "$answer"

                    """
                try Posix.write(script, to: "\(home.home)/systemctl")
                try Posix.setPermissions(0o700, of: "\(home.home)/systemctl")
                let path = "export PATH='\(home.home)':\"$PATH\"; "
                try body(home, group, path + "echo $$ >'\(service)/cgroup.procs' && exec \"$@\"")
            }
        }
        if !isPossible { withKnownIssue("skipped: no control groups of version 2 can be made here") { Issue.record() } }
    }

    @Test("a session that stayed in a service survives its stop, or not, as the service's KillMode says")
    func asks() throws {
        try withService { home, group, inside in
            let spawn = try CommandRun(
                ["spawn", "--timeout", "100", "s", "--scope", "off", "--", "cat"], home: home.home, shell: inside)
            #expect(spawn.code == 0, "\(spawn)")
            let other = try CommandRun(
                ["spawn", "--timeout", "100", "t", "--scope", "off", "--", "cat"], home: home.home, shell: inside)
            #expect(other.code == 0, "\(other)")
            let cases = [
                ("process", true, "survives the stop of test.service"), ("none", true, "survives the stop"),
                ("mixed", false, "ends when test.service is stopped"), ("", false, "ends when"),
                ("silence", false, "ends when"),
            ]
            for (answer, survives, words) in cases {
                try Posix.write("\(answer)\n", to: "\(home.home)/systemctl.answer")
                let run = try CommandRun(["status", "s", "--json"], home: home.home, shell: inside)
                #expect(
                    run.output.contains("\"survivesServiceStop\":\(survives)")
                        && run.output.contains("\(group.name)/test.service"),
                    "\(answer): \(run)")
                let list = try CommandRun(["list", "--json"], home: home.home, shell: inside)
                #expect(list.lines.count == 2 && list.code == 0, "\(answer): \(list)")
                #expect(
                    list.lines.allSatisfy {
                        $0.contains("\"survivesServiceStop\":\(survives)") && $0.contains("\(group.name)/test.service")
                    },
                    "\(answer): \(list)")
                let text = try CommandRun(["status", "s"], home: home.home, shell: inside)
                #expect(text.code == 0 && text.output.contains(words), "\(answer): \(text)")
                let doctor = try CommandRun(["doctor"], home: home.home, shell: inside)
                #expect(doctor.output.contains("survives the stop of test.service") == survives, "\(answer): \(doctor)")
            }
            try Posix.write("#!/bin/sh\nexit 1\n", to: "\(home.home)/systemctl")
            let run = try CommandRun(["status", "s", "--json"], home: home.home, shell: inside)
            #expect(run.code == 0 && run.output.contains("\"survivesServiceStop\":false"), "\(run)")
        }
    }

    @Test("a session in a pid namespace of its own is not said to survive its service; that it ends with that is said")
    func pidNamespace() throws {
        let namespace = "unshare --pid --fork --mount-proc --kill-child"
        guard try CommandRun(["--version"], home: "/", shell: #"exec \#(namespace) "$@""#).code == 0 else {
            return withKnownIssue("skipped: no pid namespaces here") { Issue.record() }
        }
        try withService { home, group, inside in
            // Process 1 stays until it is told to end, by a file.
            let up = "\(home.home)/up"
            let stays = #"sh -c '"$@"; echo $? >\#(up); while [ -e \#(up) ]; do sleep 0.01; done' sh "$@""#
            let starts = inside.replacing(
                #"exec "$@""#, with: #"{ \#(namespace) \#(stays) & } </dev/null >/dev/null 2>&1"#)
            let spawn = try CommandRun(
                ["spawn", "--timeout", "100", "s", "--scope", "off", "--", "cat"], home: home.home, shell: starts)
            #expect(spawn.code == 0, "\(spawn)")
            try home.eventually("the session runs") { home.contents(of: "up") == "0\n" }
            defer { try? Files.unlink(up) }
            for (answer, survives, words) in [
                ("process", nil, "nobody can tell: in test.service, and in a pid namespace of its own"),
                ("control-group", false, "ends when test.service is stopped"),
            ] as [(String, Bool?, String)] {
                try Posix.write("\(answer)\n", to: "\(home.home)/systemctl.answer")
                for command in [["status", "s", "--json"], ["list", "--json"]] {
                    let run = try CommandRun(command, home: home.home, shell: inside)
                    #expect(run.output.contains("\(group.name)/test.service"), "\(answer): \(run)")
                    for told in [true, false] {
                        let isTold = run.output.contains("\"survivesServiceStop\":\(told)")
                        #expect(isTold == (told == survives), "\(answer): \(run.output)")
                    }
                }
                let text = try CommandRun(["status", "s"], home: home.home, shell: inside)
                #expect(text.output.contains(words), "\(answer): \(text)")
            }
        }
    }

    private static let hasPython =
        ExecutableSearch.find("python3", path: ProcessEnvironment.current["PATH"]) != nil

    @Test(
        "a service that spared its processes when the session started, and does no more, is asked again",
        .enabled(if: hasPython, "python3 is missing"))
    func changed() throws {
        try withService { home, group, inside in
            // The bus of one start, whose answers are known beforehand.
            let answers =
                BusAnswer.ok + BusAnswer.answer(to: 1, .string(":1.5")) + BusAnswer.answer(to: 2, .property("process"))
            try Posix.write(answers, to: "\(home.home)/answers")
            let script = """
                import os, socket
                listener = socket.socket(socket.AF_UNIX)
                listener.bind("\(home.home)/making")
                listener.listen()
                os.rename("\(home.home)/making", "\(home.home)/bus")
                stream = listener.accept()[0]
                stream.sendall(open("\(home.home)/answers", "rb").read())
                while stream.recv(4096): pass

                """
            try Posix.write(script, to: "\(home.home)/bus.py")
            let bus =
                "python3 \(home.home)/bus.py </dev/null >/dev/null 2>&1 & "
                + "until [ -e \(home.home)/bus ]; do sleep 0.01; done; "
            let address = "DBUS_SYSTEM_BUS_ADDRESS=unix:path=\(home.home)/bus"
            let spawn = try CommandRun(
                ["spawn", "--timeout", "100", "s", "--env", address, "--", "cat"], home: home.home, shell: bus + inside)
            #expect(spawn.code == 0, "\(spawn)")
            #expect(home.contents(of: ".pi/dashboard/sessions/s.session.json").contains("\"survivesServiceStop\":true"))
            for (answer, survives) in [("process", true), ("control-group", false), ("silence", true)] {
                try Posix.write("\(answer)\n", to: "\(home.home)/systemctl.answer")
                for command in [["status", "s", "--json"], ["list", "--json"]] {
                    let run = try CommandRun(command, home: home.home, shell: inside)
                    #expect(run.output.contains("\"survivesServiceStop\":\(survives)"), "\(answer): \(run)")
                    #expect(run.output.contains("\(group.name)/test.service"), "\(answer): \(run)")
                }
            }
        }
    }

    @Test("a session whose keeper was moved too late ends with the service where its child is, and status says so")
    func movedLate() throws {
        try withService { home, group, inside in
            let nobody = "DBUS_SYSTEM_BUS_ADDRESS=unix:path=\(home.home)/nobody"
            let spawn = try CommandRun(
                ["spawn", "--timeout", "100", "s", "--env", nobody, "--", "cat"], home: home.home, shell: inside)
            #expect(spawn.code == 0, "\(spawn)")
            let pid = try #require(Int32(home.contents(of: ".pi/dashboard/sessions/s.rpc.sock.pid")))
            try group.move(pid, to: "late.scope")
            let status = try CommandRun(["status", "s"], home: home.home, shell: inside)
            #expect(status.output.contains("\(group.name)/late.scope"), "\(status)")
            #expect(status.output.contains("ends with the service that started it"), "\(status)")
            #expect(!status.output.contains("survives"), "\(status)")
        }
    }
}
