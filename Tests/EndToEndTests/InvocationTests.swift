import TestSupport
import Testing
import UVKeeper

@Suite("uvkeeper's arguments") struct InvocationTests {
    @Test("what comes after the session is the line, whatever it looks like") func lines() throws {
        try CommandHome.with { home in
            #expect(try home.run("spawn", "s", "--cwd", home.home, "--", "sh", "-c", "cat > out").code == 0)
            let lines = [
                "- fix the tests", "-1+2", "--- a/file", "--help me", "-h", "--help", "---", "-", "--json", "--timeout",
                "",
                "--sessions-dir=x", "--version", "help", "a\u{301}=", "=",
            ]
            for line in lines {
                let run = try home.run("send", "--timeout", "60", "s", line)
                #expect(run.code == 0 && run.output.isEmpty && run.errors.isEmpty, "\(line): \(run)")
            }
            for line in lines + ["--"] {
                let run = try home.run("send", "--timeout", "60", "s", "--", line)
                #expect(run.code == 0 && run.output.isEmpty && run.errors.isEmpty, "-- \(line): \(run)")
                #expect(try home.run("send", "--timeout", "60", "--", "s", line).code == 0, "-- s \(line)")
            }
            let all = (lines + (lines + ["--"]).flatMap { [$0, $0] }).map { $0 + "\n" }.joined()
            try home.eventually("all arrive") { home.contents(of: "out") == all }
        }
    }

    @Test("options go before the session or after the line, and after the session where they can be nothing else")
    func options() throws {
        try CommandHome.with { home in
            let there = ["--sessions-dir", home.home + "/there"]
            #expect(
                try home.run(["spawn", "s"] + there + ["--cwd", home.home, "--", "sh", "-c", "cat > out"]).code == 0)
            let patient = ["--timeout", "60"]
            for arguments in [
                ["send"] + there + patient + ["--json", "s", "1"], ["send", "s", "2", "--json"] + patient + there,
                there + ["--json", "send"] + patient + ["s", "3"], ["send", "s"] + patient + there + ["4"],
                ["send", "s"] + there + patient + ["--", "5"],
            ] {
                let run = try home.run(arguments)
                #expect(run.code == 0 && (run.output.contains("written") || !arguments.contains("--json")), "\(run)")
            }
            let stream = try CommandRun(["send", "s"] + there, stdin: Array("6\n".utf8), home: home.home)
            #expect(stream.code == 0 && stream.errors.contains("1 line, "), "\(stream)")
            try home.eventually("all arrive") { home.contents(of: "out") == "1\n2\n3\n4\n5\n6\n" }
            #expect(try home.run(there + ["list", "--json"]).lines.count == 1)
            #expect(try home.run(["kill", "s"] + there).code == 0)
        }
    }

    @Test("more than one line is wrong usage, with a word on quoting, and nothing is sent") func surplus() throws {
        try CommandHome.with { home in
            for arguments in [
                ["a", "b"], ["-a", "b", "--json"], ["a", "--nonsense"], ["--", "a", "b"], ["a", "--timeout"],
            ] {
                let run = try home.run(["send", "s"] + arguments)
                #expect(run.code == 64 && run.errors.contains("quote it"), "\(arguments): \(run)")
            }
        }
    }

    @Test("help is what was asked for, and nothing else that has an h in it") func help() throws {
        try CommandHome.with { home in
            for arguments in [["-h"], ["--help"], ["help"], ["help", "send"], ["list", "-h"], ["send", "--help"]] {
                let run = try home.run(arguments)
                #expect(run.code == 0 && run.output.contains("USAGE:") && run.errors.isEmpty, "\(arguments): \(run)")
            }
            for arguments in [
                ["- push"], ["list", "- push the branch"], ["list", "-xh"], ["send", "-xh", "s", "x"],
                ["kill", "--helpme"],
                ["spawn", "s", "-ah"], ["help", "bogus"], ["help", "list", "extra"],
            ] {
                let run = try home.run(arguments)
                #expect(run.code == 64 && run.output.isEmpty && !run.errors.isEmpty, "\(arguments): \(run)")
            }
            let none = try home.run([])
            #expect(none.code == 64 && none.output.isEmpty && none.errors.contains("USAGE:"), "\(none)")
            for (command, texts) in [
                ("send", ["LINE is one argument", "'- fix the tests'", "--timeout", "--max-line", "--"]),
                ("kill", ["--grace", "--now", "end of its", "SIGTERM", "SIGKILL"]),
            ] {
                // Lines are cut to the terminal's width.
                let help = try home.run(command, "--help").output.split(whereSeparator: \.isWhitespace).joined(
                    separator: " ")
                for text in texts { #expect(help.contains(text), "\(text)") }
            }
        }
    }

    @Test("wrong usage is an object too, if JSON is wanted") func json() throws {
        try CommandHome.with { home in
            for arguments in [
                ["kill", "--json"], ["send", "--json"], ["send", "--json", "s", "a", "b"],
                ["--json", "list", "--nonsense"],
                ["spawn", "a/b", "--json", "--", "cat"], ["list", "--json", "-push"],
            ] {
                let run = try home.run(arguments)
                #expect(run.code == 64 && !run.errors.isEmpty, "\(arguments): \(run)")
                #expect(run.lines.count == 1 && run.output.hasPrefix("{\"error\":\""), "\(arguments): \(run)")
            }
            let spawn = try home.run("spawn", "s", "--", "--json")
            #expect(spawn.code == 1 && spawn.output.isEmpty, "it is the command's: \(spawn)")
        }
    }

    @Test("a home that begins with ~ is refused, and nothing is made") func tilde() throws {
        try expectScript(
            """
            cd "$1" || exit 2
            unset PI_DASHBOARD_HOME
            for value in '~' '~/x' ' ~/x' '~me/x'; do
                for command in list doctor 'spawn s -- cat' 'send s x'; do
                    PI_DASHBOARD_HOME=$value "$2" $command > said 2>&1
                    [ $? = 1 ] && grep -q 'PI_DASHBOARD_HOME is ~.*write the whole path' said || exit 3
                done
            done
            HOME='~/x' "$2" list > said 2>&1
            [ $? = 1 ] && grep -q 'HOME is ~/x' said || exit 4
            "$2" doctor --json --sessions-dir '~/x' > said 2>&1
            [ $? = 1 ] && grep -q '^{"error":"--sessions-dir is ~/x' said || exit 5
            "$2" list --sessions-dir './~' && "$2" list --sessions-dir "$1/~" || exit 6
            [ "$(ls -A)" = said ]
            """)
    }

    @Test("arguments, paths and variables that are not UTF-8 are used as they are, and shown by their numbers")
    func rawBytes() throws {
        try expectScript(
            """
            cd "$1" || exit 2
            raw=$(printf 'caf\\351')
            mkdir "$raw" && cd "$raw" || exit 2
            HOME=$1/$raw; export HOME
            unset PI_DASHBOARD_HOME
            "$2" spawn s --env "V=$raw" -- sh -c 'echo "$V" > v; exec cat > out' || exit 3
            [ -S "$HOME/.pi/dashboard/sessions/s.rpc.sock" ] || exit 4
            [ "$(cat v)" = "$raw" ] || exit 5
            "$2" send --timeout 60 s "- $raw" && "$2" send s "$raw" --timeout 60 || exit 6
            printf '%s\\n' "- $raw" "$raw" > expected
            until cmp -s expected out; do sleep 0.01; done
            "$2" list --json | grep -q 'caf..xE9' || exit 7
            "$2" doctor | grep -q 'caf.xE9' && "$2" doctor > /dev/null || exit 8
            "$2" kill s && PI_DASHBOARD_HOME=$HOME/other "$2" doctor > /dev/null && [ -d other ] || exit 9
            "$2" list --sessions-dir "$raw" 2>&1 | grep -q 'caf.xE9/caf.xE9' || exit 10
            [ "$(ls "$1" | wc -l)" = 1 ]
            """)
    }

    @Test("everything works where there is no /proc") func noProc() throws {
        try expectScript(
            """
            unshare -m true 2> /dev/null || exit 0
            export PI_DASHBOARD_HOME="$1"
            cat > "$1/script" <<'END'
            mount -t tmpfs none /proc || exit 2
            # LeakSanitizer needs /proc, and reads its own options there.
            "$1" 2>&1 | grep -q LeakSanitizer && exit 0
            "$1" > /dev/null 2>&1
            [ $? = 64 ] || exit 3
            "$1" send s x > /dev/null 2>&1
            [ $? = 1 ] || exit 4
            "$UVKEEPER_SIDECAR" --version | grep -q uvkeeper-sidecar || exit 5
            unset UVKEEPER_SIDECAR
            "$1" doctor && "$1" spawn s -- cat && "$1" send --timeout 60 s '- x' && "$1" list && "$1" kill s
            END
            unshare -m sh "$1/script" "$2"
            """)
    }
}
