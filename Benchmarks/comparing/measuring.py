"""Runs peers: interleaved for times, and under strace and a malloc counter for what does not depend on the machine."""

import contextlib
import json
import math
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile


class Failed(Exception):
    """A peer ended with an error."""


PATIENCE = 180


def ended(command, environment=None, **options):
    """Runs a command in a session of its own to its end; returns its status, output and errors.

    Whatever ends it early, the session is first asked to end, so that it can end what it started: then killed.
    """
    command = [str(part) for part in command]
    process = subprocess.Popen(command, env=environment, text=True, start_new_session=True, **options)
    try:
        output, errors = process.communicate(timeout=PATIENCE)
        return process.returncode, output, errors
    except subprocess.TimeoutExpired:
        raise Failed(f"{command[1]} took longer than {PATIENCE} s") from None
    finally:
        if process.returncode is None:
            end_session(process)


def end_session(process):
    """Ends a process that leads a session, and the others of its group: strace ends when what it watches has ended."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
            return


def run(command, environment=None):
    """Runs a peer and returns the JSON it prints."""
    pipe = subprocess.PIPE
    status, output, errors = ended(command, environment, stdout=pipe, stderr=pipe)
    if status != 0:
        raise Failed(f"{command[1]} ended with {status}: {errors.strip()[-300:]}")
    return json.loads(output.splitlines()[-1])


def middle_half(samples):
    """The first and the last quartile."""
    if len(samples) < 2:
        return samples[0], samples[0]
    low, _, high = statistics.quantiles(samples, n=4, method="inclusive")
    return low, high


def summary(samples):
    """Median and spread (half of the middle half, relative to the median) of what was measured."""
    middle = statistics.median(samples)
    low, high = middle_half(samples)
    return {"median": middle, "spread": spread(low, middle, high, len(samples)), "samples": samples}


def spread(low, middle, high, count):
    """Half of the range, relative to the middle; None for a single sample, which tells nothing of it."""
    return (high - low) / 2 / middle if middle and count > 1 else None


def quotient(one, other):
    """What was too short to be measured counts as equal to its like: a loop's lag in a small round is often nothing."""
    if other:
        return one / other
    return math.inf if one else 1.0


def ratio(ones, others):
    """The ratio of the medians, which is what the printed medians come to, and how far it can be trusted: the middle half
    of the ratios within each turn, where the machine's mood is the same for both, widened to hold the ratio itself."""
    value = quotient(statistics.median(ones), statistics.median(others))
    low, high = middle_half([quotient(one, other) for one, other in zip(ones, others)])
    low, high = min(low, value), max(high, value)
    return {"value": value, "low": low, "high": high, "spread": spread(low, value, high, len(ones))}


def system_calls(command, environment=None):
    """How many system calls a run makes, in all its threads and children; None without strace."""
    if not has_strace():
        return None
    with tempfile.NamedTemporaryFile("r", prefix="uvb-strace-") as table:
        run([*counting_calls(table.name), *command], environment)
        return calls_counted(table.read())


def has_strace():
    return shutil.which("strace") is not None


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
        null = subprocess.DEVNULL
        status, _, _ = ended(command, environment, stdout=null, stderr=null, pass_fds=[file.fileno()])
        return allocations_told(status, file)


def allocations_told(status, file):
    """What the preloaded counter of a command that ended with `status` has written; None if it did not get to it."""
    file.seek(0)
    numbers = file.read().split()
    return int(numbers[-1]) if status == 0 and numbers else None


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
