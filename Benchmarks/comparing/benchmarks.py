"""What is measured: for each benchmark how each peer is run, which figures its JSON holds, and what the target is."""

import contextlib
import os
import subprocess
from dataclasses import dataclass, field

from .keepers import Keeper, Workplace, calls_of_life, keeper_command
from .measuring import Failed, run
from .peers import BENCHMARKS

NODE_PEER = BENCHMARKS / "Peers" / "node" / "peer.mjs"
NANOSECONDS = {"ns": 1, "µs": 1e3, "ms": 1e6}


@dataclass
class Target:
    """What `of` has to reach. "at most": its figure is at most `limit` times that of `against`; "at least": that of
    `against` is at least `limit` times its; "absolute": its figure is at most `limit`, in the figure's unit; "allocations": an operation
    takes at most so many, within a hundredth."""

    against: str
    kind: str
    limit: float
    of: str = "uvkeeper"


@dataclass
class Figure:
    """One number of a run's JSON, and the row of the table it becomes."""

    title: str
    key: str = "ns_per_op"  # or a name among the parts
    unit: str = "ns"
    targets: list = field(default_factory=list)
    setting: str = ""  # of the runs "peer@setting" this figure is about

    def of_peers(self, samples):
        """The figure's values by peer."""
        chosen = {key.partition("@")[0]: several for key, several in samples.items() if key.partition("@")[2] == self.setting}
        return {peer: [self.value(sample) for sample in several] for peer, several in chosen.items()}

    def value(self, json_object):
        number = json_object["ns_per_op"] if self.key == "ns_per_op" else json_object["parts"][self.key]
        return number / NANOSECONDS.get(self.unit, 1)


@dataclass
class Benchmark:
    """`prepare` is a context that gives, by peer, a function from a count to the command (and environment) to run. By
    "peer@setting" if the peers are measured at several settings, which take turns, too."""

    name: str
    group: str
    count: int
    figures: list
    prepare: object
    rounds: int = 7
    operations: tuple = None  # few and many, for the counts per operation; a quick run does fewer; None: not counted
    # Instead of `operations`: a function from the peers and the place to the counts by peer.
    count_all: object = None


def only_c(limit):
    return [Target("c", "at most", limit)]


def micro(name, title, count, unit, limit, operations, rounds=7, figures=None, variants=()):
    """The same in Swift and in C; `variants`: how else one of them does it, "peer:variant", each a benchmark of its own,
    `name-variant`. One of UVLoop's has the same target."""

    @contextlib.contextmanager
    def prepare(peers, place):
        programs = {"uvkeeper": (peers.swift, name), "c": (peers.c, name)}
        for variant in variants:
            peer, _, way = variant.partition(":")
            programs[variant] = (programs[peer][0], f"{name}-{way}")
        yield {
            key: lambda count, executable=executable, program=program: ([executable, program, count], None)
            for key, (executable, program) in programs.items()
        }

    judged = ["uvkeeper", *(variant for variant in variants if variant.startswith("uvkeeper:"))]
    targets = [Target("c", "at most", limit, one) for one in judged] if limit else []
    figures = figures or [Figure(title, unit=unit, targets=targets)]
    return Benchmark(name, "micro", count, figures, prepare, rounds, operations)


def spawn(sizes):
    """Swift, C and Node; every process without huge pages, and with so many MiB of them resident."""

    @contextlib.contextmanager
    def prepare(peers, place):
        programs = {
            "uvkeeper": [peers.swift, "spawn"],
            "uvkeeper:uv_spawn": [peers.swift, "spawn-libuv"],
            "c": [peers.c, "spawn"],
            **{key: [peers.node[key], NODE_PEER, "spawn"] for key in peers.node_keys()},
        }

        def command(key, program, size):
            # A fork of much memory takes so long that fewer do.
            share = 4 if size >= 1024 and key != "uvkeeper" else 1
            return lambda count: ([peers.c, "nothp", *program, max(1, count // share), size], None)

        yield {f"{key}@{size}": command(key, program, size) for key, program in programs.items() for size in sizes}

    figures = []
    for size in sizes:
        title = f"{size} MiB resident" if size else "0 resident"
        figures += [Figure(f"spawn to exit, {title}", unit="ms", setting=str(size)),
                    Figure(f"loop blocked by one spawn, {title}", "block", "ms", setting=str(size))]
    return Benchmark("spawn", "spawn", 40, figures, prepare, 7, (10, 30))


def of_tasks(name, title, count, unit, kind, limit):
    """What tasks do: on UVLoopAsync, and on SwiftNIO or swift-subprocess."""

    @contextlib.contextmanager
    def prepare(peers, place):
        programs = {"uvkeeper": peers.swift, **({"nio": peers.nio} if peers.nio else {})}
        yield {
            key: lambda count, executable=executable: ([executable, name, count], None)
            for key, executable in programs.items()
        }

    return Benchmark(name, "async", count, [Figure(title, unit=unit, targets=[Target("nio", kind, limit)])], prepare, 7)


def scan(files):
    @contextlib.contextmanager
    def prepare(peers, place):
        directory = place.pid_files(files)
        yield {
            key: lambda count, executable=executable: ([executable, "scan", count, directory, files], None)
            for key, executable in (("uvkeeper", peers.swift), ("c", peers.c))
        }

    # Names and contents become objects.
    figure = Figure(f"scan of {files:,} pid files", unit="ms", targets=only_c(2.5))
    # Of more files, more of the same calls.
    count, operations = (20, (1, 4)) if files <= 1000 else (4, None)
    return Benchmark(f"scan:{files}", "micro", count, [figure], prepare, 7, operations)


def connect(in_flight):
    """Each peer's client against its own keeper; the same contract, and, for Node, the original's weaker one too."""

    @contextlib.contextmanager
    def prepare(peers, place):
        child = [str(peers.c), "sink"]
        with contextlib.ExitStack() as stack:
            sockets = {}
            for key in peers.keeper_keys():
                keeper = Keeper(peers, key, place, child)
                stack.callback(keeper.end)
                sockets[key] = keeper.socket

            def command(key, name, *executable):
                return lambda count: ([*executable, name, count, sockets[key], in_flight], None)

            runs = {
                "uvkeeper": command("uvkeeper", "connect", peers.swift),
                "uvkeeper:manager": command("uvkeeper", "manager", peers.swift),
                "c": command("c", "connect", peers.c),
            }
            for key in peers.node_keys():
                runs[key] = command(key, "connect", peers.node[key], NODE_PEER)
                runs[f"{key}:unconfirmed"] = command(key, "connect-unconfirmed", peers.node[key], NODE_PEER)
            if peers.nio:
                runs["nio"] = command("nio", "connect", peers.nio)
            yield runs

    targets = [Target("c", "at most", 1 / 0.9)]
    # With more in flight the manager's lines share connections: to compare that with a connection per line says nothing.
    for ours in ("uvkeeper", "uvkeeper:manager") if in_flight == 1 else ("uvkeeper",):
        targets += [Target("node24", "at least", 2.5, ours), Target("nio", "at least", 2.5, ours)]
    figure = Figure(f"connect, write, close; {in_flight} in flight", unit="µs", targets=targets)
    count = 4500 if in_flight == 1 else 8000
    return Benchmark(f"connect:{in_flight}", "connect", count, [figure], prepare, 7, (256, 1280))


def forward(size, connections):
    """The same load, made in C, through each peer's keeper to the same child; the keeper's processor time beside it."""
    # So many that a run takes about a second: shorter ones measure how the scheduler places three processes.
    lines = 12_000_000 if size < 512 else 800_000
    # In so many parts: the child tells of each, and one warms the keeper up.
    parts = 8

    @contextlib.contextmanager
    def prepare(peers, place):
        def command(key, fifo):
            def start(count):
                # Fewer for Node, which takes several times as long for a line.
                if key.startswith("node"):
                    count //= 16 if size < 512 else 4
                part = max(1, count // parts)
                # A keeper per run: its child expects the bytes of one part.
                child = [str(peers.c), "sink", str(fifo), str(part * size)]
                keeper = Keeper(peers, key, place, child)
                arguments = [keeper.socket, fifo, keeper.pid, connections, size, parts]
                return [peers.c, "feed", part * parts, *arguments], None, keeper.end

            return start

        runs = {}
        for key in peers.keeper_keys():
            fifo = place.path / f"fifo-{key}"
            if not fifo.exists():
                os.mkfifo(fifo)
            runs[key] = command(key, fifo)
        yield runs

    title = f"{size} B lines, {connections} connection{'s' if connections > 1 else ''}"
    targets = [Target("c", "at most", 1 / 0.7), Target("node24", "at least", 10)]
    figures = [Figure(title, unit="ns", targets=targets), Figure(f"{title}: keeper's processor time", "cpu", "ns")]
    return Benchmark(f"forward:{size}:{connections}", "forward", lines, figures, prepare, 7)


def start(keepers, on_disk=False):
    """From the start of so many keepers at once to their sockets; then what they take of memory. In a directory in memory, where
    file systems do not count, unless told otherwise."""

    @contextlib.contextmanager
    def prepare(peers, disk):
        with contextlib.nullcontext(disk) if on_disk else disk.in_memory() as place:
            yield {key: command(peers, place, key) for key in peers.keeper_keys()}

    def command(peers, place, key):
        def start(_):
            child = [str(peers.c), "sink"]
            arguments, environment, socket = keeper_command(peers, key, place, "m{}", child)
            return [peers.c, "start", keepers, socket, 500, *arguments], environment

        return start

    many = f", of {keepers} at once" if keepers > 1 else ""
    largest = [Target("", "absolute", 512)] if keepers == 100 else []
    figures = [Figure(f"start to published socket{many}", "median", "ms", [Target("node24", "at least", 4)]),
               Figure(f"memory of one idle keeper of {keepers}: private", "private", "KiB"),
               Figure(f"memory of one idle keeper of {keepers}: PSS", "pss", "KiB", largest),
               Figure(f"memory of one idle keeper of {keepers}: RSS", "rss", "KiB")]
    if keepers > 1:
        figures.insert(1, Figure(f"start of {keepers} at once: last socket", unit="ms"))
    if on_disk:
        return Benchmark(f"start:{keepers}:disk", "start", keepers, [
            Figure(f"start to published socket{many}, in a directory on disk", "median", "ms")], prepare, 3)

    def count_all(peers, place):
        return {key: {"system_calls": calls_of_life(peers, key, place)} for key in peers.keeper_keys()}

    rounds, count_all = (5, count_all) if keepers == 1 else (3, None)
    return Benchmark(f"start:{keepers}", "start", keepers, figures, prepare, rounds, count_all=count_all)


def discovery(keepers, program="discovery", and_what=""):
    """Keepers that exist on disk, with locks and sockets; one process holds all of them."""

    @contextlib.contextmanager
    def prepare(peers, place):
        pipe = subprocess.PIPE
        command = [str(peers.c), "fleet", str(keepers), str(place.sessions)]
        fleet = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
        programs = {
            "uvkeeper": [peers.swift],
            "c": [peers.c],
            **{key: [peers.node[key], NODE_PEER] for key in peers.node_keys()},
        }
        try:
            if not fleet.stdout.readline():
                raise Failed("fleet ended early")
            yield {
                key: lambda count, start=start: ([*start, program, count, place.sessions, keepers], None)
                for key, start in programs.items()
            }
        finally:
            fleet.stdin.close()
            fleet.wait()

    title = f"discovery of {keepers:,} keepers{and_what}"
    figure = Figure(title, unit="ms", targets=[Target("node24", "at least", 5)])
    return Benchmark(f"{program}:{keepers}", "discovery", 20, [figure], prepare, 7, (1, 2))


def manager_start():
    """What an embedder sees: the manager's call, until it reports that the keeper accepts."""

    @contextlib.contextmanager
    def prepare(peers, place):
        arguments = [place.sessions, peers.sidecar, peers.c, "sink"]
        yield {"uvkeeper": lambda count: ([peers.swift, "manager-start", count, *arguments], None)}

    figure = Figure("KeeperManager.spawnKeeper, until it accepts", unit="ms")
    return Benchmark("manager-start", "start", 20, [figure], prepare, 3, (2, 6))


def all_benchmarks():
    per_timer = [
        Figure("timer: create and start", "start", "ns", only_c(2.5)),
        Figure("timer: fire", "fire", "ns", only_c(1.15)),
        Figure("timer: close and free", "close", "ns", only_c(2.5)),
    ]
    return [
        micro("idle-tick", "idle tick", 1_000_000, "ns", 1.15, (1000, 11000)),
        micro("timers", "", 1_000_000, "ns", None, (1000, 11000), figures=per_timer, rounds=5),
        micro("wakeup", "wake-up of another thread and back", 10_000, "µs", 1.15, (1000, 3000)),
        micro("submit", "job from another thread", 1_000_000, "ns", 2.5, (1000, 101000)),
        micro("pipe-roundtrip", "pipe round trip, 64 B", 100_000, "µs", 1.15, (1000, 3000)),
        micro("pipe-bulk", "bulk pipe, per 64 KiB", 10_000, "µs", 1.15, (1000, 5000)),
        micro("small-writes", "small writes queued, 64 B", 200_000, "ns", 2, (1000, 11000),
              variants=("uvkeeper:capturing", "c:each")),
        micro("connect-cycle", "connect cycle within one loop", 10_000, "µs", 2.5, (200, 1200)),
        of_tasks("async-echo", "echo by async streams, 64 B, tasks of the default pool", 20_000, "µs", "at least", 1.2),
        of_tasks("async-echo-loop", "echo by async streams, 64 B, tasks on the loop", 20_000, "µs", "at least", 1.2),
        of_tasks("async-hop", "call of an actor on the loop, and back", 50_000, "µs", "at most", 1),
        of_tasks("async-run", "run of /bin/true; beside it swift-subprocess", 200, "ms", "at most", 1.1),
        scan(1000),
        scan(10000),
        spawn([0, 256, 1024]),
        connect(1),
        connect(16),
        connect(128),
        forward(64, 1),
        forward(64, 32),
        forward(1024, 1),
        forward(1024, 32),
        discovery(1000),
        discovery(1000, "discovery-children", " and their children"),
        manager_start(),
        start(1),
        start(10),
        start(100),
        start(100, on_disk=True),
    ]


def measure_once(benchmark, make_command, count):
    """One run; what the command needs is ended after it."""
    command, environment, *ends = make_command(count)
    try:
        return run(command, environment)
    finally:
        for end in ends:
            end()


__all__ = ["Workplace", "all_benchmarks", "measure_once"]
