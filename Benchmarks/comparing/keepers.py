"""Starts keepers of every peer, one at a time, in a directory of their own."""

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from .measuring import calls_counted, counting_calls
from .peers import BENCHMARKS


class Workplace:
    """A directory for sockets, pid files and logs, removed at the end."""

    def __init__(self):
        self.path = Path(tempfile.mkdtemp(prefix="uvb-", dir="/tmp"))
        self.sessions = self.path / ".pi" / "dashboard" / "sessions"
        self.sessions.mkdir(parents=True, mode=0o700)

    def remove(self):
        shutil.rmtree(self.path, ignore_errors=True)

    def pid_files(self, count):
        """A directory of so many pid files and nothing else."""
        directory = self.path / f"pids-{count}"
        directory.mkdir(exist_ok=True)
        for number in range(count):
            (directory / f"s{number}.rpc.sock.pid").write_text(f"{os.getpid()}\n")
        return directory


def keeper_command(peers, key, place, session, child):
    """The command that starts a keeper, its environment, and the path of its socket."""
    environment = dict(os.environ)
    named = str(place.sessions / f"{session}.rpc.sock")
    if key == "c":
        return [str(peers.c), "keeper", named, *child], environment, named
    if key == "nio":
        return [str(peers.nio), "keeper", named, *child], environment, named
    environment["PI_DASHBOARD_HOME"] = str(place.path)
    environment["PI_KEEPER_PI_CMD"] = json.dumps(child)
    environment["PI_KEEPER_PI_ARGS"] = "[]"
    if key == "uvkeeper":
        return [str(peers.sidecar), session], environment, named
    script = str(BENCHMARKS / "Peers" / "node" / "keeper.cjs")
    return [str(peers.node[key]), script, session], environment, named


class Keeper:
    """One running keeper."""

    def __init__(self, peers, key, place, child, wrapper=()):
        """`wrapper`: a command that runs the keeper's."""
        command, environment, self.socket = keeper_command(peers, key, place, f"k-{key}", child)
        null = subprocess.DEVNULL
        self.process = subprocess.Popen(
            [*wrapper, *command], env=environment, stdin=null, stdout=null, stderr=null, start_new_session=True
        )
        self._wait_until_it_accepts()

    @property
    def pid(self):
        return self.process.pid

    def end(self):
        # The group: with a wrapper, the keeper is not the process started here.
        os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        Path(self.socket).unlink(missing_ok=True)

    def _wait_until_it_accepts(self):
        for _ in range(1000):
            with socket.socket(socket.AF_UNIX) as probe:
                try:
                    return probe.connect(self.socket)
                except OSError:
                    time.sleep(0.01)
            if self.process.poll() is not None:
                raise RuntimeError(f"a keeper ended with status {self.process.returncode}")
        raise RuntimeError("a keeper has not published its socket in 10 s")


def calls_of_life(peers, key, place):
    """How many system calls a keeper and its child make from the start to the end; None without strace."""
    table = place.path / f"calls-{key}"
    if not shutil.which("strace"):
        return None
    Keeper(peers, key, place, [str(peers.c), "sink"], counting_calls(table)).end()
    return calls_counted(table.read_text())
