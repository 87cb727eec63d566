import TestSupport
import Testing
import UVKeeper

@Suite("uvkeeper kill") struct KillCommandTests {
    @Test("kill ends keeper and child and leaves logs only") func kill() throws {
        try CommandHome.with { home in
            let spawned = try home.run(
                "spawn", "s", "--json", "--", "sh", "-c", "trap '' TERM; while read x; do :; done")
            let child = try #require(home.number("childPID", in: spawned.output))
            let run = try home.run("kill", "s", "--json")
            #expect(run.code == 0 && run.output.hasSuffix(#""result":"stopped","session":"s"}"# + "\n"), "\(run)")
            #expect(run.output.hasPrefix(#"{"exit":{"at":""#) && run.output.contains(#""by":"eof""#), "\(run)")
            #expect(Processes.liveness(of: child) == .gone)
            #expect(
                try Files.names(inDirectory: home.sessions) == [
                    "keeper-launch-s.log", "keeper-s.log", "s.session.json",
                ])
            #expect(try home.run("kill", "s").code == 1)
        }
    }

    @Test("kill ends a frozen keeper by SIGKILL and removes its files") func killFrozen() throws {
        try CommandHome.with { home in
            let spawned = try home.run("spawn", "s", "--json", "--", "cat")
            let keeper = try #require(home.number("keeperPID", in: spawned.output))
            try Processes.send(.stop, to: keeper)
            let run = try home.run("kill", "s", "--grace", "0.1", "--json")
            #expect(run.code == 0 && run.output.hasSuffix(#""result":"killed","session":"s"}"# + "\n"), "\(run)")
            try home.eventually("the keeper is gone") { Processes.liveness(of: keeper) == .gone }
            #expect(
                try Files.names(inDirectory: home.sessions) == [
                    "keeper-launch-s.log", "keeper-s.log", "s.session.json",
                ])
        }
    }

    @Test("kill of a session whose keeper is dead ends the child that it has left") func killStale() throws {
        try CommandHome.with { home in
            let spawned = try home.run("spawn", "s", "--json", "--", "sleep", "1000")
            let keeper = try #require(home.number("keeperPID", in: spawned.output))
            let child = try #require(home.number("childPID", in: spawned.output))
            try Processes.send(.kill, to: keeper)
            try home.eventually("the keeper is gone") { Processes.liveness(of: keeper) == .gone }
            #expect(try home.run("list").output.contains("\(child)"))
            let again = try home.run("spawn", "s", "--", "cat")
            #expect(again.code == 1 && again.errors.contains("its former child \(child) still runs"), "\(again)")
            let run = try home.run("kill", "s")
            #expect(run.code == 0 && run.output.contains("session s: ended") && run.errors.isEmpty, "\(run)")
            #expect(Processes.liveness(of: child) == .gone)
            #expect(try home.run("kill", "s").code == 1)
            #expect(
                try Files.names(inDirectory: home.sessions) == [
                    "keeper-launch-s.log", "keeper-s.log", "s.session.json",
                ])
        }
    }

    @Test(
        "kill names who cannot be killed, as JSON too, and names the child again when its keeper is dead",
        .enabled(if: Posix.isRoot, "only root can make a program that another user cannot kill"))
    func namesSurvivors() throws {
        try CommandHome.with { home in
            let rooted = home.home + "/rooted"
            let prepare = "install -m 4755 '\(BuiltProducts.executable("keeper-host"))' '\(rooted)'; "
            let drop =
                "chown 65534 '\(home.home)'; chmod 755 '\(home.home)'; "
                + "exec setpriv --reuid=65534 --regid=65534 --clear-groups \"$@\""
            let spawn = ["spawn", "s", "--json", "--", rooted, "rooted"]
            let spawned = try CommandRun(spawn, home: home.home, shell: prepare + drop)
            let child = try #require(home.number("childPID", in: spawned.output), "\(spawned)")
            try home.eventually("it is root's") {
                let status = try Files.read("/proc/\(child)/status", limit: 1 << 16)
                return String(decoding: status, as: UTF8.self).contains("Uid:\t0")
            }
            let run = try CommandRun(["kill", "s", "--now", "--json"], home: home.home, shell: drop)
            #expect(run.code == 1 && run.output.contains(#""survivors":[\#(child)]"#), "\(run)")
            #expect(run.output.contains("\(child) (rooted)"), "\(run)")
            let again = try CommandRun(["kill", "s"], home: home.home, shell: drop)
            #expect(again.code == 1 && again.errors.contains("\(child) (rooted), is somebody else's"), "\(again)")
            // Root takes no user's word for what is root's.
            #expect(try home.run("kill", "s").code == 0)
            #expect(Processes.liveness(of: child) == .alive)
            try Processes.send(.kill, to: child)
            try home.eventually("it is gone") { Processes.liveness(of: child) == .gone }
        }
    }

    @Test("kill that runs out of descriptors says so, or ends the session, and accuses nobody of serving it")
    func killStarved() throws {
        try CommandHome.with { home in
            for limit in 8...16 {
                _ = try home.run("spawn", "s", "--", "cat")
                let run = try CommandRun(["kill", "s"], home: home.home, shell: "ulimit -n \(limit); exec \"$@\"")
                #expect(run.code == 0 || !run.errors.isEmpty, "\(limit): \(run)")
                #expect(!run.errors.contains("something else"), "\(limit): \(run)")
            }
        }
    }

    @Test("kill of a frozen keeper ends a child that has left its process group") func killFrozenOrphan() throws {
        try CommandHome.with { home in
            let spawned = try home.run("spawn", "s", "--json", "--", "setsid", "sleep", "1000")
            let keeper = try #require(home.number("keeperPID", in: spawned.output))
            let child = try #require(home.number("childPID", in: spawned.output))
            try Processes.send(.stop, to: keeper)
            let run = try home.run("kill", "s", "--grace", "0.1")
            #expect(run.code == 0 && run.output.contains("killed"), "\(run)")
            #expect(Processes.liveness(of: child) == .gone)
        }
    }

    @Test("kill --all ends every session") func killAll() throws {
        try CommandHome.with { home in
            for name in ["a", "b", "c"] { #expect(try home.run("spawn", name, "--no-wait", "--", "cat").code == 0) }
            try home.eventually("three live") { try home.run("list", "--json").lines.count == 3 }
            #expect(try home.run("kill", "--all").code == 0)
            #expect(try home.run("list", "--json").output.isEmpty)
            #expect(try home.run("kill", "--all").code == 0)
        }
    }

    @Test("kill --all from inside a session ends the others first, tells it, and its own last") func killInside() throws
    {
        try expectScript(
            """
            export PI_DASHBOARD_HOME="$1"
            for id in a b d e; do "$2" spawn $id -- cat > /dev/null || exit 2; done
            "$2" spawn c --env "UVK=$2" --env "OUT=$1/said" -- \
                sh -c 'read x; sh -c "\\"$UVK\\" kill --all --grace 30; true" > "$OUT" 2>&1; exit' > /dev/null || exit 2
            "$2" send --timeout 60 c go || exit 3
            until [ -z "$("$2" list --json)" ]; do sleep 0.05; done
            for id in a b d e; do grep -q "^session $id: ended" "$1/said" || exit 4; done
            tail -n 1 "$1/said" | grep -q '^session c: it is the one this command runs in'
            """)
    }

    @Test("kill takes its times, or none, and not both") func killTimes() throws {
        try CommandHome.with { home in
            for arguments in [["--now", "--grace", "1"], ["--grace", "-1"], ["--grace", "x"]] {
                #expect(try home.run(["kill", "s"] + arguments).code == 64, "\(arguments)")
            }
            for arguments in [["--now"], ["--grace", "0"], ["--grace", "1.5"], []] {
                #expect(try home.run("spawn", "s", "--", "cat").code == 0)
                let run = try home.run(["kill", "s"] + arguments)
                #expect(run.code == 0 && run.output.hasPrefix("session s: "), "\(arguments): \(run)")
            }
        }
    }
}
