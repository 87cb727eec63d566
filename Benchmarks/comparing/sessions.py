"""What is measured of a session's channel: acknowledged lines, output, questions and answers, and thousands of sessions."""

import contextlib
import tempfile

from .benchmarks import NODE_PEER, Benchmark, Figure, Target
from .keepers import Keeper
from .measuring import allocations, per_operation, system_calls

KEPT = 64 << 20
# As many lines of one session as a manager lets wait.
UNBOUNDED = 10_000


def client_command(peers, key, name, count, keeper, place, *arguments):
    """The command of a client of the channel: C's is given the socket, UVKeeper's a directory and a session."""
    if key == "uvkeeper":
        return [peers.swift, name, count, place.sessions, keeper.session, *arguments]
    return [peers.c, name, count, keeper.socket, *arguments]


# By run: whose client, and whose keeper.
RUNS = {"uvkeeper": ("uvkeeper", "uvkeeper"), "uvkeeper:c-client": ("c", "uvkeeper"), "c": ("c", "c")}


def lines(in_flight, size, count, to_c, absolute=None, to_node=None):
    """Acknowledged lines, so many under way; beside them Node's connect-write-close, with 16 in flight at most."""
    node_in_flight = min(in_flight, 16)
    # Alone, a line is two wake-ups of another process; these leave out one of them.
    runs = RUNS | {f"{run}:busy-poll": RUNS[run] for run in ("uvkeeper", "c") if in_flight == 1}

    @contextlib.contextmanager
    def keepers(peers, place):
        child = [str(peers.c), "sink"]
        with contextlib.ExitStack() as stack:
            started = {}
            for key in ("uvkeeper", "c", *peers.node_keys()):
                started[key] = Keeper(peers, key, place, child, kept=KEPT)
                stack.callback(started[key].end)
            yield started

    def commands(peers, place, started):
        for run, (client, keeper) in runs.items():
            busy_poll = ("50",) if run.endswith(":busy-poll") else ()
            yield run, lambda count, client=client, keeper=keeper, busy_poll=busy_poll: client_command(
                peers, client, "lines", count, started[keeper], place, in_flight, size, *busy_poll)
        if size != 64:
            return
        for key in peers.node_keys():
            # One that takes so much longer for a line does fewer.
            share = 1 if in_flight == 1 else 40 if in_flight <= 16 else 400
            yield key, lambda count, key=key, share=share: [
                peers.node[key], NODE_PEER, "connect", max(1, count // share), started[key].socket, node_in_flight]

    @contextlib.contextmanager
    def prepare(peers, place):
        with keepers(peers, place) as started:
            yield {key: lambda count, make=make: (make(count), None) for key, make in commands(peers, place, started)}

    def count_all(peers, place):
        counts = {}
        few, many = (256, 1280) if in_flight <= 16 else (20_000, 120_000)
        with keepers(peers, place) as started:
            for key, make in commands(peers, place, started):
                if key.startswith("node") or key.endswith(":busy-poll"):
                    continue
                # An eighth of the lines goes before, to warm up.
                each = lambda measure, make=make: (counted := per_operation(measure, make, few, many)) and counted * 8 / 9
                counter = lambda command: allocations(command, peers.malloc_counter)
                counts[key] = {"system_calls": each(system_calls), "allocations": each(counter)}
        return counts

    many = f"{in_flight} in flight" if in_flight < UNBOUNDED else "pipelined"
    targets = [Target("c", "at most", to_c)]
    if absolute:
        targets.append(Target("", "absolute", absolute))
    if to_node:
        targets.append(Target("node24", "at least", to_node))
    if in_flight == 1:
        targets.append(Target("c:busy-poll", "at most", to_c, of="uvkeeper:busy-poll"))
        targets.append(Target("node24", "at least", to_node, of="uvkeeper:busy-poll"))
    figure = Figure(f"acknowledged line of {size:,} B, {many}", unit="µs", targets=targets)
    name = f"lines:{size}:{in_flight if in_flight < UNBOUNDED else 'all'}"
    return Benchmark(name, "session", count, [figure], prepare, 7, count_all=count_all)


def with_keeper(name, title, unit, count, child, arguments, targets, others=None):
    """A keeper for each run, whose output is read from its start."""

    @contextlib.contextmanager
    def prepare(peers, place):
        def command(client, key):
            def start(count):
                keeper = Keeper(peers, key, place, [str(peers.c), child], kept=KEPT)
                return client_command(peers, client, name, count, keeper, place, *arguments), None, keeper.end

            return start

        runs = {run: command(client, key) for run, (client, key) in RUNS.items()}
        if others:
            runs |= others(peers, place)
        yield runs

    full = ":".join(map(str, (name, *arguments)))
    return Benchmark(full, "session", count, [Figure(title, unit=unit, targets=targets)], prepare, 7)


def ask():
    title = "question to the child, and its answer; one at a time"
    return with_keeper("ask", title, "µs", 10_000, "answer", (), [Target("c", "at most", 1.25)])


def pipeline(peers, place):
    return {"c:pipeline": lambda count: ([peers.c, "pipeline", count, place.path / "tee"], None)}


def output(readers):
    """64 KiB of a child's output to each of so many readers; beside it a pipeline with one reader."""
    # 0.7 of the pipeline's throughput; to ten readers half of ten times that.
    limit = 1 / 0.7 if readers == 1 else 10 / readers / 0.5
    title = f"64 KiB of a child's output to {readers} reader{'s' if readers > 1 else ''}"
    count = 16_384 if readers == 1 else 6_144
    targets = [Target("c:pipeline", "at most", limit)]
    return with_keeper("output", title, "µs", count, "flood", (readers,), targets, pipeline)


def scale(sessions):
    """Live sessions of one server: their start, finding them again, a line to each and its answer, memory."""

    @contextlib.contextmanager
    def prepare(peers, place):
        def command(count):
            # One of its own for each run: what former lives of the sessions have left is not what is measured.
            directory = tempfile.mkdtemp(prefix="scale-", dir=place.path)
            return [peers.swift, "scale", count, directory, peers.sidecar, peers.c, "answer"], None

        yield {"uvkeeper": command}

    every = f"{sessions:,} sessions"
    steps = (("start", "started"), ("find", "found again"), ("ask", "a line to each and its answer back"),
             ("stop", "ended"))
    figures = [Figure(f"{every}: {words}", step, "ms") for step, words in steps]
    for step, words in steps[:3]:
        figures.append(Figure(f"{every}: loop's longest lag, {words}", f"{step}-lag", "ms"))
        figures.append(Figure(f"{every}: loop's lag, {words}, 99 of 100", f"{step}-lag-99", "ms"))
    figures += [Figure(f"{every}: private memory of one keeper", "keeper-private", "KiB"),
                Figure(f"{every}: PSS of one keeper", "keeper-pss", "KiB"),
                Figure(f"{every}: private memory of one child", "child-private", "KiB"),
                Figure(f"{every}: the server's private memory", "server-private", "KiB"),
                Figure(f"{every}: the server's descriptors while it asks", "descriptors-asking", ""),
                Figure(f"{every}: the server's descriptors when all rest", "descriptors", "")]
    return Benchmark(f"scale:{sessions}", "scale", sessions, figures, prepare, 3)


def session_benchmarks():
    return [
        lines(1, 64, 10_000, 1.25, to_node=2),
        lines(16, 64, 300_000, 1.3, to_node=5),
        lines(UNBOUNDED, 64, 4_000_000, 2, absolute=2, to_node=30),
        lines(UNBOUNDED, 1024, 300_000, 1.3),
        ask(),
        output(1),
        output(10),
        scale(2000),
    ]
