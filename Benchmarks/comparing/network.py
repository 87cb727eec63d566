"""Servers over the network: each peer's under the same load, which is the C peer's."""

import contextlib
import os
import tempfile

from .benchmarks import Benchmark, Figure, Target
from .measuring import allocations_told, calls_counted, counting_calls, ended, has_strace, per_operation, run
from .peers import BENCHMARKS

# Where a load's command has the server's: before it may stand a command that runs it.
WRAPPER = object()


def servers(peers):
    """The commands that start a server, by peer; of Node the newest."""
    commands = {"uvkeeper": [peers.swift, "serve"], "c": [peers.c, "serve"]}
    if peers.node:
        newest = max(peers.node, key=lambda key: int(key.removeprefix("node")))
        commands[newest] = [peers.node[newest], BENCHMARKS / "Peers" / "node" / "servers.mjs"]
    if peers.nio:
        commands["nio"] = [peers.nio, "serve"]
    if peers.uvloop:
        commands["uvloop"] = [*peers.uvloop, BENCHMARKS / "Peers" / "uvloop" / "servers.py"]
    return commands


def network(name, title, kind, load, count, limit, operations, others=(), allocations=None):
    """`load`: the program of the C peer and its arguments after the count. `limit`: of the time, to C's. `allocations`: how
    many an operation may take."""

    def commands(peers):
        program, *arguments = load
        return {
            key: lambda count, server=server: [peers.c, program, count, *arguments, WRAPPER, *server, kind]
            for key, server in servers(peers).items()
        }

    @contextlib.contextmanager
    def prepare(peers, place):
        yield {
            key: lambda count, make=make: (wrapped(make(count), []), None) for key, make in commands(peers).items()
        }

    def count_all(peers, place):
        few, many = operations
        # An eighth of the load goes before, to warm up.
        each = lambda measure, make: (counted := per_operation(measure, make, few, many)) and counted * 8 / 9
        counts = {}
        for key, make in commands(peers).items():
            counts[key] = {"system_calls": each(system_calls, make)}
            # The others have heaps of their own, which malloc does not see.
            if key in ("uvkeeper", "c", "nio"):
                counts[key]["allocations"] = each(lambda command: allocated(command, peers.malloc_counter), make)
        return counts

    to_c = Target("c", "at most", limit)
    targets = [to_c, *(Target(peer, "at least", factor) for peer, factor in others)]
    if allocations is not None:
        targets.append(Target("", "allocations", allocations))
    figures = [Figure(title, unit="µs", targets=targets),
               Figure(f"{title}: server's processor time", "cpu", "µs", [to_c])]
    return Benchmark(name, "network", count, figures, prepare, 5, count_all=count_all)


def wrapped(command, wrapper):
    place = command.index(WRAPPER)
    return [*command[:place], *wrapper, *command[place + 1:]]


def system_calls(command):
    """How many system calls the server of a load makes, in all its threads; None without strace."""
    if not has_strace():
        return None
    with tempfile.NamedTemporaryFile("r", prefix="uvb-strace-") as table:
        run(wrapped(command, counting_calls(table.name)))
        return calls_counted(table.read())


def allocated(command, counter):
    """How many blocks of memory the server of a load asks malloc and its like for."""
    with tempfile.TemporaryFile("w+") as file:
        preload = ["env", f"LD_PRELOAD={counter}", f"MALLOC_COUNTER_FD={file.fileno()}"]
        null = os.open(os.devnull, os.O_WRONLY)
        try:
            status, _, _ = ended(wrapped(command, preload), stdout=null, stderr=null, pass_fds=[file.fileno()])
        finally:
            os.close(null)
        return allocations_told(status, file)


def network_benchmarks():
    # No object is made for a message; one is for a connection.
    throughput = (("nio", 1.3), ("node24", 2), ("uvloop", 2))
    return [
        network("net-roundtrip", "TCP echo, 1 connection, 64 B", "tcp-echo", ["load-echo", 1, 64], 20_000, 1.1,
                (800, 4000), allocations=0),
        network("net-echo:64", "TCP echo, 64 connections, 64 B", "tcp-echo", ["load-echo", 64, 64], 80_000, 1.1,
                (800, 8000), throughput, allocations=0),
        network("net-echo:1024", "TCP echo, 64 connections, 1 KiB", "tcp-echo", ["load-echo", 64, 1024], 80_000, 1.1,
                (800, 8000), allocations=0),
        network("net-receive", "1 GiB received by TCP, per 64 KiB", "tcp-sink", ["load-upload"], 16_384, 1.1,
                (80, 800)),
        network("net-send", "1 GiB sent by TCP, per 64 KiB", "tcp-source", ["load-download"], 16_384, 1.1, (80, 800)),
        network("net-accept", "TCP connection accepted, read to its end, closed", "tcp-sink", ["load-accept"], 10_000,
                1.25, (160, 1600)),
        network("net-udp", "UDP echo, 32 under way, 64 B", "udp-echo", ["load-udp", 64], 100_000, 1.1, (800, 8000),
                allocations=0),
    ]
