"""Runs peers: interleaved for times, and under strace and a malloc counter for what does not depend on the machine."""

import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile


class Failed(Exception):
    """A peer ended with an error."""


def run(command, environment=None):
    """Runs a peer and returns the JSON it prints."""
    try:
        result = subprocess.run(
            [str(part) for part in command],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            timeout=180,
        )
    except subprocess.TimeoutExpired:
        raise Failed(f"{command[1]} took longer than 180 s") from None
    if result.returncode != 0:
        raise Failed(f"{command[1]} ended with {result.returncode}: {result.stderr.strip()[-300:]}")
    return json.loads(result.stdout.splitlines()[-1])


def summary(samples):
    """Median and spread (half of the middle half, relative to the median) of what was measured."""
    middle = statistics.median(samples)
    if len(samples) < 2:
        return {"median": middle, "spread": 0.0, "samples": samples}
    low, _, high = statistics.quantiles(samples, n=4, method="inclusive")
    return {"median": middle, "spread": (high - low) / 2 / middle if middle else 0.0, "samples": samples}


def paired_ratio(ones, others):
    """The median of the ratios within each round: what changes with the machine's mood changes both."""
    return statistics.median(one / other for one, other in zip(ones, others))


def system_calls(command, environment=None):
    """How many system calls a run makes, in all its threads and children; None without strace."""
    if not shutil.which("strace"):
        return None
    with tempfile.NamedTemporaryFile("r", prefix="uvb-strace-") as table:
        run([*counting_calls(table.name), *command], environment)
        return calls_counted(table.read())


def counting_calls(table):
    """What to put before a command so that its system calls are counted in the file `table`."""
    return ["strace", "-f", "-c", "-U", "calls,name", "-o", str(table)]


def calls_counted(table):
    match = re.search(r"^\s*(\d+) total$", table, re.MULTILINE)
    return int(match.group(1)) if match else None


def allocations(command, counter, environment=None):
    """How many blocks of memory a run asks malloc and its like for."""
    with tempfile.TemporaryFile("w+") as file:
        environment = dict(environment or os.environ)
        environment["LD_PRELOAD"] = str(counter)
        environment["MALLOC_COUNTER_FD"] = str(file.fileno())
        result = subprocess.run(
            [str(part) for part in command],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=[file.fileno()],
            timeout=180,
        )
        file.seek(0)
        numbers = file.read().split()
        return int(numbers[-1]) if result.returncode == 0 and numbers else None


def tried_twice(measure, command):
    """A peer that strace slows down may give up: its timeouts are those of a run without."""
    try:
        return measure(command)
    except Failed:
        return measure(command)


def per_operation(measure, command_for, few, many):
    """The difference between a run of many operations and one of few, by operation: starting up cancels out."""
    try:
        less, more = (tried_twice(measure, command_for(count)) for count in (few, many))
    except Failed as reason:
        print(f"compare: not counted: {os.path.basename(command_for(few)[0])}: {reason}", file=sys.stderr)
        return None
    if less is None or more is None:
        return None
    return max(0.0, (more - less) / (many - few))
