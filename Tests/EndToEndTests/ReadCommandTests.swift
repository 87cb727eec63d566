import TestSupport
import Testing
import UVKeeper

@Suite("uvkeeper read") struct ReadCommandTests {
    @Test("prints what is kept, a stream or both, from any place, while the session runs and after its end")
    func places() throws {
        try CommandHome.with { home in
            let child = "echo one; echo two; echo bad >&2; read x; echo three"
            #expect(try home.run("spawn", "s", "--", "sh", "-c", child).code == 0)
            let check = { (end: String) in
                let all = "one\ntwo\n" + end
                let run = try home.run("read", "s")
                #expect(run.code == 0 && run.output == all && run.errors.isEmpty, "\(run)")
                let err = try home.run("read", "s", "--stderr")
                #expect(err.code == 0 && err.output == "bad\n" && err.errors.isEmpty, "\(err)")
                let both = try home.run("read", "s", "--both")
                #expect(both.output == all && both.errors == "bad\n", "\(both)")
                #expect(try home.run("read", "s", "--from", "2").output == String(all.dropFirst(2)))
                #expect(try home.run("read", "s", "--last", "4").output == String(all.suffix(4)))
                #expect(try home.run("read", "s", "--from", "end").output.isEmpty)
                #expect(try home.run("read", "s", "--from", "start").output == all)
            }
            try home.eventually("it has written") {
                try home.run("read", "s").output == "one\ntwo\n" && home.run("read", "s", "--stderr").output == "bad\n"
            }
            try check("")
            #expect(try home.run("send", "--timeout", "60", "s", "go").code == 0)
            #expect(try home.run("wait", "s").code == 0)
            try check("three\n")
        }
    }

    @Test("follows until the session ends") func follow() throws {
        try expectScript(
            """
            export PI_DASHBOARD_HOME="$1" && cd "$1" || exit 2
            "$2" spawn s -- sh -c 'echo first; while read x; do echo "got $x"; done; echo last' || exit 2
            "$2" read s --follow > out &
            until grep -q first out; do sleep 0.01; done
            "$2" send --timeout 60 s a && "$2" eof s > /dev/null && wait $! || exit 3
            printf 'first\\ngot a\\nlast\\n' | cmp - out
            """)
    }

    @Test("as JSON, text is text although its pieces cut characters, other bytes are base64, offsets tile the stream")
    func json() throws {
        try expectScript(
            """
            export PI_DASHBOARD_HOME="$1" && cd "$1" && mkfifo go on || exit 2
            "$2" spawn s -- sh -c 'printf "a\\\\303"; read x < go; printf "\\\\244b"; read x < on; printf "\\\\377"' || exit 2
            "$2" read s --follow --json > out &
            until [ "$("$2" read s | wc -c)" = 2 ] && [ -s out ]; do sleep 0.01; done
            echo > go
            until grep -q '"text":"äb"' out; do sleep 0.01; done
            echo > on
            wait $! || exit 3
            sed -n 1,3p out
            [ "$(sed -n 1p out)" = '{"offset":0,"stream":"out","text":"a"}' ] || exit 4
            [ "$(sed -n 2p out)" = '{"offset":1,"stream":"out","text":"äb"}' ] || exit 5
            [ "$(sed -n 3p out)" = '{"base64":"/w==","offset":4,"stream":"out"}' ] || exit 6
            sed -n 4p out | grep -q '^{"end":{"out":5},"epoch":"[0-9a-f]*","exit":{.*"reason":"exited"' || exit 7
            epoch=$(sed -n '4s/.*"epoch":"\\([0-9a-f]*\\)".*/\\1/p' out)
            [ "$("$2" read s --from 3 --epoch "$epoch" | wc -c)" = 2 ] || exit 8
            "$2" read s --from 3 --epoch 0123456789abcdef 2> said
            [ $? = 1 ] && grep -q 'begun anew' said
            """)
    }

    @Test("bytes that are gone are told, and the rest is printed") func gap() throws {
        try CommandHome.with { home in
            let child = "head -c 1000000 /dev/zero | tr '\\0' x; read x"
            let variable = "PI_KEEPER_OUTPUT_MAX_BYTES=65536"
            #expect(try home.run("spawn", "s", "--env", variable, "--", "sh", "-c", child).code == 0)
            try home.eventually("all is written") {
                try home.run("status", "s", "--json").output.contains(#""end":1000000"#)
            }
            let run = try home.run("read", "s", "--from", "0")
            #expect(run.code == 0 && run.errors.contains("bytes of stdout are gone, 0 to "), "\(run.errors)")
            #expect((65536...200_000).contains(run.bytes.count), "\(run.bytes.count)")
            let json = try home.run("read", "s", "--json", "--from", "0")
            #expect(json.output.hasPrefix(#"{"gap":{"from":0,"stream":"out","to":"#), "\(json.output.prefix(200))")
        }
    }

    @Test("a flood reaches a slow reader whole, and one that goes ends the command") func flood() throws {
        try expectScript(
            """
            export PI_DASHBOARD_HOME="$1" && cd "$1" || exit 2
            "$2" spawn s -- sh -c 'seq 600000; read x' || exit 2
            seq 600000 > expected
            until "$2" read s | cmp -s - expected; do sleep 0.01; done
            "$2" read s --follow | head -n 3 | cmp - - < /dev/null > /dev/null
            "$2" read s --follow | head -n 1 > first && [ "$(cat first)" = 1 ] || exit 3
            "$2" read s > /dev/full 2> said
            [ $? = 1 ] && grep -q 'could not be written' said || exit 4
            "$2" kill s > /dev/null
            """)
    }

    @Test("what a keeper had kept outlives its being killed") func keeperKilled() throws {
        try CommandHome.with { home in
            let spawned = try home.run("spawn", "s", "--json", "--", "sh", "-c", "echo one; echo two >&2; exec cat")
            try home.eventually("it has written") { try home.run("read", "s", "--stderr").output == "two\n" }
            try Processes.send(.kill, to: try #require(home.number("keeperPID", in: spawned.output)))
            #expect(try home.run("wait", "s").code == 2)
            let run = try home.run("read", "s", "--both")
            #expect(run.code == 0 && run.output == "one\n" && run.errors == "two\n", "\(run)")
            #expect(try home.run("read", "s", "--last", "2").output == "e\n")
        }
    }

    @Test("says why there is nothing to read") func nothing() throws {
        try CommandHome.with { home in
            let none = try home.run("read", "nobody")
            #expect(none.code == 1 && none.output.isEmpty && none.errors.contains("no keeper"), "\(none)")
            #expect(try home.run("spawn", "s", "--no-output", "--", "cat").code == 0)
            let silent = try home.run("read", "s", "--json")
            #expect(silent.code == 1 && silent.output.contains(#"{"error":""#), "\(silent)")
            #expect(try home.run("kill", "s").code == 0)
            let ended = try home.run("read", "s")
            #expect(ended.code == 1 && ended.errors.contains("nothing is kept of its output"), "\(ended)")
            for arguments in [
                ["--from", "x"], ["--from", "1", "--last", "2"], ["--both", "--from", "1"], ["--both", "--stderr"],
                ["--epoch", "0123456789abcdef"], ["--from", "-1"],
            ] {
                #expect(try home.run(["read", "s"] + arguments).code == 64, "\(arguments)")
            }
        }
    }

    @Test("an offset behind the end is an error that tells the end: of a live session, an ended one, a lost one")
    func beyondEnd() throws {
        try CommandHome.with { home in
            let child = "echo one; echo bad >&2; exec cat"
            #expect(try home.run("spawn", "s", "--", "sh", "-c", child).code == 0)
            let lost = try home.run("spawn", "lost", "--json", "--", "sh", "-c", child)
            for id in ["s", "lost"] {
                try home.eventually("it has written") { try home.run("read", id, "--both").errors == "bad\n" }
            }
            let check = { (id: String, arguments: [String]) in
                let run = try home.run(["read", id, "--from", "100"] + arguments)
                #expect(run.code == 1 && run.output.isEmpty, "\(run)")
                let end = "uvkeeper: stdout of session \(id) ends at offset 4, and 100 is beyond that\n"
                #expect(run.errors == end, "\(run)")
                #expect(try home.run("read", id, "--stderr", "--from", "5").errors.contains("stderr"))
                let json = try home.run("read", id, "--json", "--from", "5")
                #expect(json.code == 1 && json.lines.count == 1 && json.output.contains("offset 4, and 5"), "\(json)")
                let atEnd = try home.run("read", id, "--from", "4")
                #expect(atEnd.code == 0 && atEnd.output.isEmpty && atEnd.errors.isEmpty, "\(atEnd)")
            }
            for follow in [[], ["--follow"]] { try check("s", follow) }
            #expect(try home.run("eof", "s").code == 0 && home.run("wait", "s").code == 0)
            for follow in [[], ["--follow"]] { try check("s", follow) }
            try Processes.send(.kill, to: try #require(home.number("keeperPID", in: lost.output)))
            #expect(try home.run("wait", "lost").code == 2)
            try check("lost", [])
        }
    }

    @Test("of a frozen keeper, says which process to let go on; on a terminal, that it is waited for")
    func frozen() throws {
        try CommandHome.with { home in
            let spawned = try home.run("spawn", "s", "--json", "--", "sh", "-c", "echo one; exec cat")
            let keeper = try #require(home.number("keeperPID", in: spawned.output))
            try home.eventually("it has written") { try home.run("read", "s").output == "one\n" }
            try Processes.send(.stop, to: keeper)
            defer { expectNoError { try Processes.send(.continue, to: keeper) } }
            for arguments in [["read", "s"], ["status", "s"], ["send", "s", "x"]] {
                let run = try home.run(arguments)
                #expect(run.code == 1 && run.output.isEmpty, "\(run)")
                #expect(run.errors.contains("kill -CONT \(keeper)") && !run.errors.contains("not answered"), "\(run)")
            }
            let run = try TerminalRun.of("read", "s", "--follow", "--json", home: home.home)
            #expect(run.status == .exited(code: 1))
            let waiting = "\r\u{1B}[Kthe keeper of session s has not answered yet"
            #expect(run.shown.hasPrefix(waiting), "\(run.shown)")
            let error = "\r\u{1B}[K{\"error\":\"the keeper of session s, process \(keeper), "
            #expect(run.shown.contains(error), "\(run.shown)")
            // What does not fit into a row could not be erased again.
            let narrow = try TerminalRun.of("read", "s", "--follow", "--json", home: home.home, columns: 20) { run in
                try run.eventually { run.shown.utf8.count > 100 }
                expectNoError { try Processes.send(.continue, to: keeper) }
                try run.eventually { run.shown.contains(#""text":"one\r\n"#) || run.shown.contains(#""text":"one\n"#) }
                #expect(try home.run("kill", "s").code == 0)
            }
            let first = "\r\u{1B}[Kthe keeper of sessi\r\u{1B}[K"
            #expect(narrow.shown.hasPrefix(first) && !narrow.shown.contains("session s"), "\(narrow.shown)")
        }
    }
}
