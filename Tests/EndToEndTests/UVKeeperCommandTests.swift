import TestSupport
import Testing

@Suite("uvkeeper") struct UVKeeperCommandTests {
    @Test("works without standard descriptors") func closedDescriptors() throws {
        try expectScript(
            """
            "$2" spawn s --sessions-dir "$1" -- cat <&- &&
            "$2" send --timeout 60 s hello --sessions-dir "$1" <&- >&- 2>&- &&
            "$2" kill s --sessions-dir "$1" 2>&- <&-
            """)
    }

    @Test("says in one line, or in JSON, that there is no sessions directory, with status 1")
    func noDirectory() throws {
        try expectScript(
            """
            unset PI_DASHBOARD_HOME
            for home in '' relative; do
                message=$(HOME=$home "$2" list 2>&1)
                [ $? = 1 ] && [ "${message#uvkeeper: there is no sessions directory}" != "$message" ] || exit 2
                object=$(HOME=$home "$2" list --json)
                [ $? = 1 ] && [ "${object#\\{\\"error\\":}" != "$object" ] || exit 3
            done
            """)
    }

    @Test("no command uses a directory that others can change, and all say so with status 1") func exposed() throws {
        try expectScript(
            """
            export PI_DASHBOARD_HOME="$1" && d="$1/.pi/dashboard/sessions"
            "$2" spawn s --capture-output -- sh -c "cat > '$1/out'" > /dev/null && chmod 777 "$d" || exit 2
            refused() {
                "$@" > "$PI_DASHBOARD_HOME/said" 2>&1 < "$PI_DASHBOARD_HOME/in"
                [ $? = 1 ] && grep -q 'everybody may write to it, its mode is 777' "$PI_DASHBOARD_HOME/said" && return
                echo "$@" >&2 && exit 3
            }
            echo line > "$1/in"
            for command in 'send s' 'send s x' 'send --timeout 9 s x' 'logs s' 'logs s -f' list 'kill s' 'kill --all' \
                'spawn t -- cat' doctor; do
                refused "$2" $command
                refused "$2" ${command%% *} --json ${command#"${command%% *}"}
            done
            chmod 700 "$d" && "$2" send s last && "$2" kill s > /dev/null && [ "$(cat "$1/out")" = last ]
            """)
    }

    @Test("logs --follow ends when nobody reads its output any more") func followsNobody() throws {
        try expectScript(
            """
            "$2" spawn s --sessions-dir "$1" -- cat || exit 2
            "$2" logs s --follow --sessions-dir "$1" | head -n 1 | grep -q 'keeper starting'
            status=$?
            "$2" kill s --sessions-dir "$1"
            exit $status
            """)
    }

    @Test("send that is ended in the middle of a line has sent the lines before it, and no part of that one")
    func interrupted() throws {
        try expectScript(
            """
            cd "$1" && "$2" spawn s --sessions-dir "$1" -- sh -c 'cat > out' || exit 2
            mkfifo in && exec 3<>in
            "$2" send s --sessions-dir "$1" < in &
            printf 'whole\\nhal' >&3
            until [ -s out ]; do sleep 0.01; done
            kill $! && wait $!
            "$2" kill s --sessions-dir "$1" >&2
            [ "$(cat out)" = whole ]
            """)
    }

    @Test("logs says that its output could not be written, with status 1, and does not follow into nowhere")
    func logsIntoFull() throws {
        try expectScript(
            """
            "$2" spawn s --sessions-dir "$1" -- cat || exit 2
            for follow in '' --follow; do
                message=$("$2" logs s $follow --sessions-dir "$1" 2>&1 > /dev/full)
                [ $? = 1 ] && [ "$message" = 'uvkeeper: the output could not be written' ] || exit 3
            done
            "$2" kill s --sessions-dir "$1"
            """)
    }

    @Test("what was done, and could not be reported, is unknown and not undone") func unreported() throws {
        try expectScript(
            """
            "$2" spawn s --sessions-dir "$1" -- sh -c "cat > '$1/out'" > /dev/full 2> "$1/said"
            [ $? = 2 ] && grep -q 'could not be written' "$1/said" || exit 3
            "$2" send s once --json --sessions-dir "$1" > /dev/full
            [ $? = 2 ] || exit 4
            "$2" send nobody once --json --sessions-dir "$1" > /dev/full
            [ $? = 1 ] || exit 5
            "$2" list --sessions-dir "$1" > /dev/full
            [ $? = 1 ] || exit 6
            until [ -s "$1/out" ]; do sleep 0.01; done
            "$2" kill s --sessions-dir "$1" > /dev/full
            [ $? = 2 ] && [ "$(cat "$1/out")" = once ]
            """)
    }

    @Test("a standard output that is closed is like one that is full: the report is lost, and that is told")
    func closedOutput() throws {
        try expectScript(
            """
            "$2" spawn s --sessions-dir "$1" -- cat > /dev/null || exit 2
            "$2" send s hello --timeout 60 --sessions-dir "$1" || exit 3
            until "$2" read s --sessions-dir "$1" | grep -q hello; do sleep 0.01; done
            like_full() {
                "$@" --sessions-dir "$PI_DASHBOARD_HOME" > /dev/full 2> "$PI_DASHBOARD_HOME/full" < /dev/null
                full=$?
                "$@" --sessions-dir "$PI_DASHBOARD_HOME" >&- 2> "$PI_DASHBOARD_HOME/closed" < /dev/null
                closed=$?
                [ $full != 0 ] && [ $closed = $full ] && cmp "$PI_DASHBOARD_HOME/full" "$PI_DASHBOARD_HOME/closed" &&
                    grep -q 'could not be written' "$PI_DASHBOARD_HOME/closed" && return
                echo "$@: $closed, not $full" >&2 && exit 4
            }
            export PI_DASHBOARD_HOME="$1"
            for command in list 'list --json' 'read s' 'read s --json' 'read s --follow' 'status s' 'logs s' 'request s x' \
                'label s a=b' 'attach s --last 6' 'send --json s x' 'wait nobody --json'; do
                like_full "$2" $command
            done
            "$2" --version >&-
            [ $? = 1 ] || exit 5
            # Nothing is printed, and nothing is lost.
            "$2" send s hello --timeout 60 --sessions-dir "$1" >&- || exit 6
            "$2" kill s --sessions-dir "$1" >&- 2> "$1/said"
            [ $? = 2 ] && grep -q 'could not be written' "$1/said" || exit 7
            "$2" list --json --sessions-dir "$1"
            """)
    }

    @Test("a number out of its bounds is refused, and both bounds are told") func bounds() throws {
        try CommandHome.with { home in
            let seconds = " and less than 1000000"
            for (arguments, text) in [
                (["kill", "s", "--grace", "1e9"], "--grace takes seconds, 0 or more" + seconds),
                (["kill", "s", "--grace=-0.5"], "--grace takes seconds, 0 or more" + seconds),
                (["prune", "--days", "inf"], "--days takes a number, 0 or more" + seconds),
                (["prune", "--days", "nan"], "--days takes a number, 0 or more" + seconds),
                (["attach", "s", "--quiet", "1e6"], "--quiet takes seconds, 0 or more" + seconds),
                (["wait", "s", "--timeout", "1e9"], "--timeout takes seconds, 0 or more and less than 1000000000"),
                (["send", "--timeout", "0", "s"], "--timeout takes seconds, more than 0" + seconds),
                (["request", "--timeout", "1e6", "s", "x"], "--timeout takes seconds, more than 0" + seconds),
                (["spawn", "s", "--timeout", "0", "--", "cat"], "--timeout takes seconds, more than 0" + seconds),
            ] {
                let run = try CommandRun(arguments, home: home.home)
                #expect(run.code == 64 && run.errors.contains("Error: \(text)\n"), "\(run)")
            }
        }
    }

    @Test("a full standard error does not keep the command for ever") func fullErrors() throws {
        try expectScript(
            """
            cd "$1" && mkfifo full && exec 3<>full || exit 2
            # What a pipe holds, and not a byte more.
            head -c 65536 /dev/zero >&3
            "$2" list --sessions-dir "$1" 2>&3 || exit 3
            "$2" nonsense 2>&3
            [ $? = 64 ]
            """)
    }

    @Test("a reader that goes early is no news") func earlyReader() throws {
        try expectScript(
            """
            head -c 1000000 /dev/zero | tr '\\0' '\\n' > "$1/keeper-s.log"
            "$2" logs s --sessions-dir "$1" 2> "$1/said" | head -n 1 > /dev/null
            [ ! -s "$1/said" ]
            """)
    }

    @Test("nothing that was given reaches a terminal as a command for it") func escapes() throws {
        try expectScript(
            """
            id=$(printf '\\033]0;x\\007')
            "$2" spawn "$id" --sessions-dir "$1" -- cat 2> "$1/said"
            [ $? = 64 ] || exit 2
            "$2" list --sessions-dir "$1/$id" 2>> "$1/said"
            "$2" doctor --sessions-dir "$1/$id" >> "$1/said"
            grep -q 'u{1b}' "$1/said" && ! grep -q "$(printf '\\033')" "$1/said"
            """)
    }

    @Test("a directory in which nothing can be made is an error, not the end of the command") func nowhere() throws {
        try expectScript(
            """
            for command in doctor 'spawn s -- cat'; do
                "$2" ${command%% *} --sessions-dir /proc/x $(echo "$command" | cut -s -d' ' -f2-) > "$1/said" 2>&1
                [ $? = 1 ] && grep -q ENOENT "$1/said" || exit 3
            done
            """)
    }

    @Test("logs --json has an object for each line, empty ones and those that end in a carriage return too")
    func logLines() throws {
        try expectScript(
            """
            "$2" spawn s --capture-output --sessions-dir "$1" -- \
                sh -c 'printf "one\\\\r\\\\ntwo\\\\r\\\\n\\\\nthree\\\\n"; exec cat' || exit 2
            until "$2" logs s --sessions-dir "$1" | grep -q three; do sleep 0.01; done
            "$2" logs s --json --sessions-dir "$1" | grep -v '"time"' > "$1/found"
            "$2" kill s --sessions-dir "$1"
            printf '{"text":"%s"}\\n' one two '' three | cmp - "$1/found"
            """)
    }

    @Test("every subcommand explains itself") func help() throws {
        try CommandHome.with { home in
            for command in [[], ["spawn"], ["send"], ["list"], ["kill"], ["logs"], ["doctor"]] {
                let run = try CommandRun(command + ["--help"], home: home.home)
                #expect(run.code == 0 && run.output.contains("USAGE:"), "\(command): \(run)")
            }
            #expect(try home.run("--version").output == "0.2.0\n")
            #expect(try home.run("--generate-completion-script", "bash").code == 0)
        }
    }

    /// The words that a shell offers for the session of `uvkeeper status` after these options.
    private func offered(_ home: CommandHome, _ options: String...) throws -> [String] {
        let words = ["uvkeeper", "status"] + options + [""]
        return try home.run(["---completion", "status", "--", "positional@0", "\(words.count - 1)", "0"] + words).lines
    }

    @Test("a shell is offered the sessions of the directory, alive or ended") func completions() throws {
        try CommandHome.with { home throws in
            #expect(try offered(home) == [])
            for session in ["b", "a.1"] { #expect(try home.run("spawn", session, "--", "cat").code == 0) }
            #expect(try offered(home) == ["a.1", "b"])
            #expect(try home.run("kill", "b").code == 0)
            #expect(try offered(home) == ["a.1", "b"])
            let other = home.home + "/other"
            #expect(try offered(home, "--sessions-dir", other) == [])
            #expect(try home.run("spawn", "c", "--sessions-dir", other, "--", "cat").code == 0)
            #expect(try offered(home, "--sessions-dir", other) == ["c"])
            #expect(try offered(home, "--sessions-dir=\(other)") == ["c"])
            #expect(try offered(home, "--sessions-dir", "=", other) == ["c"])
            #expect(try home.run("kill", "c", "--sessions-dir", other).code == 0)
        }
    }

    @Test("SIGQUIT ends a command unless it is ignored") func quit() throws {
        try CommandHome.with { home in
            #expect(try home.run("spawn", "s", "--", "cat").code == 0)
            let run = try CommandRun(
                ["logs", "s", "--follow"], home: home.home,
                shell: #"""
                    cd "$PI_DASHBOARD_HOME"
                    (until [ -s seen ]; do sleep 0.01; done; kill -QUIT $(cat pid)) &
                    sh -c 'echo $$ > pid; exec "$@" > seen' sh "$@"
                    echo $?
                    """#)
            #expect(run.output == "131\n", "\(run)")
        }
    }
}
