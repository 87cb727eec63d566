"""What a scope costs a keeper's start: measured in a service of a real systemd, in namespaces, where one can be had."""

import contextlib
import re
import subprocess
import sys

from .benchmarks import Benchmark, Figure
from .keepers import calls_of_life, keeper_command
from .peers import BENCHMARKS, ROOT

# By run: what the keeper is told.
POLICIES = {"uvkeeper": {}, "uvkeeper:off": {"PI_KEEPER_SCOPE": "off"}, "uvkeeper:scope": {"PI_KEEPER_SCOPE": "auto"}}


class Absent(Exception):
    """There can be no systemd here, and why."""


@contextlib.contextmanager
def systemd(peers, paths):
    """A systemd of its own that sees these paths: gives the command that runs another one in a service of it."""
    debian = ROOT / ".build-systemd" / "root"
    if peers.is_check and not (debian / ".complete").exists():
        raise Absent(f"there is no {debian.relative_to(ROOT)}")
    command = [str(ROOT / "scripts" / "systemd-check"), "--hold", "--programs", str(peers.sidecar.parent)]
    for path in paths:
        command += ["--bind", str(path)]
    pipe = subprocess.PIPE
    holder = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
    try:
        said = ""
        for said in holder.stdout:
            if said.startswith("process 1: "):
                break
        else:
            raise Absent(said.strip() or "scripts/systemd-check failed")
        enter = ["nsenter", "-t", said.split()[-1], "-m", "-p", "-u", "-i", "-C"]
        yield [*enter, "systemd-run", "--quiet", "--pipe", "--wait", "--collect"]
    finally:
        holder.stdin.close()
        holder.wait()


def libraries(executable):
    """The libraries of an executable but for those that every Debian has."""
    listed = subprocess.run(["ldd", str(executable)], stdout=subprocess.PIPE, text=True).stdout
    found = re.findall(r"^\s*(\S+) => (/\S+)", listed, re.MULTILINE)
    common = re.compile(r"lib(c|m|dl|rt|pthread|stdc\+\+|gcc_s)\.so")
    return [path for name, path in found if not common.match(name)]


def start_with_scope():
    @contextlib.contextmanager
    def prepare(peers, place):
        nodes = [path for path in peers.node.values() if ROOT not in path.parents]
        needed = {path for one in (peers.c, *peers.node.values()) for path in libraries(one)}
        paths = [ROOT, place.path, *sorted(needed), *nodes]

        def command(key, policy, service):
            def start(_):
                child = [str(peers.c), "sink"]
                arguments, environment, socket = keeper_command(peers, key, place, "m{}", child)
                environment = {**environment, **policy}
                measured = [str(peers.c), "start", "1", socket, "0", *arguments]
                passed = [f"--setenv={name}={value}" for name, value in environment.items()
                          if name.startswith("PI_") or name in ("HOME", place.MARK)]
                return ([*service, *passed, *measured] if service else measured), environment

            return start

        with contextlib.ExitStack() as stack:
            service = []
            try:
                service = stack.enter_context(systemd(peers, paths))
            except Absent as reason:
                print(f"compare: start-scope: outside systemd, and without a scope: {reason}", file=sys.stderr)
            runs = {key: command("uvkeeper", policy, service) for key, policy in POLICIES.items()
                    if service or not key.endswith(":scope")}
            yield runs | {key: command(key, {}, service) for key in peers.node_keys()}

    def count_all(peers, place):
        # Outside the service: a scope's calls are not among them.
        runs = {"uvkeeper": ("uvkeeper", {}), "uvkeeper:off": ("uvkeeper", POLICIES["uvkeeper:off"])}
        runs |= {key: (key, {}) for key in peers.node_keys()}
        return {run: {"system_calls": calls_of_life(peers, key, place, policy)} for run, (key, policy) in runs.items()}

    figure = Figure("start in a service, to published socket", "median", "ms")
    return Benchmark("scope-start", "scope", 1, [figure], prepare, 15, count_all=count_all)


__all__ = ["start_with_scope"]
