"""Starts keepers of every peer, one at a time, in a directory of their own."""

import contextlib
import copy
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from .measuring import calls_counted, counting_calls, end_session
from .peers import BENCHMARKS


class Workplace:
    """A directory for sockets, pid files and logs, removed at the end, with whatever still runs then.

    Every process started meanwhile has the directory in its environment, by which those left over are found: keepers of
    a peer that was killed, say, which have sessions of their own.
    """

    MARK = "UVBENCH_PLACE"

    def __init__(self):
        self.path = Path(tempfile.mkdtemp(prefix="uvb-", dir="/tmp"))
        self.sessions = self.path / ".pi" / "dashboard" / "sessions"
        self.sessions.mkdir(parents=True, mode=0o700)
        os.environ[self.MARK] = str(self.path)

    def remove(self):
        del os.environ[self.MARK]
        for number in (signal.SIGTERM, signal.SIGKILL):
            for pid in self._left_over():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            end = time.monotonic() + 5
            while self._left_over() and time.monotonic() < end:
                time.sleep(0.05)
        shutil.rmtree(self.path, ignore_errors=True)

    @contextlib.contextmanager
    def in_memory(self):
        """A place of the same kind in a file system in memory, where there is one; the processes are this one's."""
        memory = "/dev/shm"
        if not os.path.ismount(memory):
            yield self
            return
        with tempfile.TemporaryDirectory(prefix="uvb-", dir=memory, ignore_cleanup_errors=True) as path:
            place = copy.copy(self)
            place.path = Path(path)
            place.sessions = place.path / ".pi" / "dashboard" / "sessions"
            place.sessions.mkdir(parents=True, mode=0o700)
            yield place

    def _left_over(self):
        """The processes of this place that run."""
        mark = f"{self.MARK}={self.path}".encode()
        pids = []
        for directory in Path("/proc").glob("[0-9]*"):
            # Those of others cannot be read; those that have ended are gone, or zombies, without an environment.
            with contextlib.suppress(OSError):
                if mark in (directory / "environ").read_bytes().split(b"\0"):
                    pids.append(int(directory.name))
        return pids

    def pid_files(self, count):
        """A directory of so many pid files and nothing else."""
        directory = self.path / f"pids-{count}"
        directory.mkdir(exist_ok=True)
        for number in range(count):
            (directory / f"s{number}.rpc.sock.pid").write_text(f"{os.getpid()}\n")
        return directory


def keeper_command(peers, key, place, session, child, kept=0):
    """The command that starts a keeper, its environment, and the path of its socket; of the channel if so many bytes of the
    output are kept."""
    environment = dict(os.environ)
    named = str(place.sessions / f"{session}.rpc.sock")
    if kept and key in ("uvkeeper", "c"):
        named = str(place.sessions / f"{session}.ctl.sock")
        environment["PI_KEEPER_OUTPUT_MAX_BYTES"] = str(kept)
    if key == "c" and kept:
        return [str(peers.c), "channel-keeper", named, str(kept), *child], environment, named
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

    def __init__(self, peers, key, place, child, wrapper=(), kept=0, settings={}):
        """`wrapper`: a command that runs the keeper's. `kept`: so many bytes of the child's output, by the channel. `settings`: more
        variables for the keeper."""
        self.session = f"k-{key}"
        command, environment, self.socket = keeper_command(peers, key, place, self.session, child, kept)
        null = subprocess.DEVNULL
        self.process = subprocess.Popen(
            [*wrapper, *command], env={**environment, **settings}, stdin=null, stdout=null, stderr=null, start_new_session=True
        )
        try:
            self._wait_until_it_accepts()
        except BaseException:
            self.end()
            raise

    @property
    def pid(self):
        return self.process.pid

    def end(self):
        # The session: with a wrapper, the keeper is not the process started here. One that has ended already is no error.
        end_session(self.process)
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


def calls_of_life(peers, key, place, settings={}):
    """How many system calls a keeper and its child make from the start to the end; None without strace."""
    table = place.path / f"calls-{key}"
    if not shutil.which("strace"):
        return None
    Keeper(peers, key, place, [str(peers.c), "sink"], counting_calls(table), settings=settings).end()
    return calls_counted(table.read_text())
