"""Turns samples into figures, and figures into a page."""

import re
import statistics
import textwrap

from .measuring import middle_half, ratio, summary
from .plots import write_plots

GROUPS = [
    ("micro", "The loop, beside plain C", "The same work on `UVLoop` and in C on libuv, in one process. Writes that have to wait are joined into one buffer by "
     "both; *one `uv_write` per message* is C without that, shown and not judged. A completion in C is a function and a pointer, in UVLoop "
     "a closure: with one object it takes no memory; with *two things* Swift allocates it each time."),
    ("async", "Tasks, beside SwiftNIO and swift-subprocess",
     "Client and server of an echo over TCP run in one process on one loop, and wait for each message; their tasks are run by the "
     "default pool, or prefer the loop. A program is run to its end with both of its outputs collected. SwiftNIO by "
     "`NIOAsyncChannel`, and a program by swift-subprocess, in the same column."),
    ("spawn", "Starting a child as the parent's memory grows",
     "One child after another from a process with so much resident memory in pages of 4 KiB. SwiftNIO starts no processes."),
    ("connect", "A connection per line",
     "A client connects to a keeper's raw socket, writes a line of 64 B, and waits until the keeper has closed the connection, "
     "which says that it has read the line; each client against the keeper of its own kind. The original does not wait: for Node both are shown. "
     "With more than one in flight `writeRPC` does not connect per line, as its system calls show: those rows are what its "
     "lines take, and no target for connecting is set for them."),
    ("forward", "Keeper to child",
     "As many lines as fit through one keeper to one child, load and child being the same C programs for all; per line, over "
     "millions of lines of 64 B, or hundreds of thousands of 1 KiB, and fewer for Node, after an eighth as many to warm up. The keepers "
     "of C and SwiftNIO copy bytes; UVKeeper's and Node's cut lines. Beside the time, the keeper's own processor time. "
     "System calls and allocations are not counted: they are per read, and how many lines a read finds is the machine's mood."),
    ("start", "Starting keepers, and their memory",
     "From the start of the process until its socket accepts, in a directory in memory, where there is one; memory after half a second of rest, without the child. "
     "System calls are those of a keeper and its child, which are ended as soon as the socket accepts, when the child may "
     "not have got far; for `spawnKeeper` the manager's as well. Each of many makes the same as one alone. Allocations of a keeper are not counted: UVKeeper's has its own malloc linked in, "
     "where nothing can be preloaded; those of `spawnKeeper` are the manager's."),
    ("scope", "What a scope costs a start",
     "Each keeper is started in a service of a systemd of its own, in namespaces (`scripts/systemd-check`); where none can be had, outside "
     "of one, and the row with a scope is missing. Without a word about it, and with `off`, a keeper stays in its service and looks once at "
     "`/proc/self/cgroup`. With `auto` it asks systemd for a scope and waits for that before it starts its child. The original knows no "
     "scopes. System calls, of a keeper and its child as above, are counted outside of the service, without a scope."),
    ("discovery", "Finding keepers again",
     "Each keeper has a pid file, locked by a live process, a socket, and a child's pid file. *Keepers*: read the pid file and "
     "look whether the process lives, which is what the original does by default; UVKeeper also asks whether it is the "
     "keeper, by the lock. *And their children*: read the child's pid file, too, and look whether it lives and is no zombie: "
     "UVKeeper's default, and the same added to the others. UVKeeper uses four threads."),
    ("session", "A session's channel",
     "Lines that the keeper acknowledges once the child's pipe has them, through a session's object and in C, each with a keeper of its kind and the same child; "
     "*pipelined*: as many under way as a manager lets wait, 10,000. The keeper and client in C speak the same protocol with the same promises, and leave out "
     "limits, locks, logs and every verb but three. For Node stands its connection per line, as above, with 16 in flight at most. *With C's client*: UVKeeper's keeper, and C's client, which "
     "tells what each side takes. *Output*: the child writes 32 MiB at a time, the keeper writes it to segments and sends it to readers of one process; per 64 KiB of the child's. "
     "Beside it a pipeline of child, tee to a file, and reader, in C, with one reader, against which both are judged. *Question*: a line goes in, the child writes it back, a reader gets it. "
     "System calls and allocations are the client's."),
    ("scale", "Thousands of sessions of one server",
     "One process with one loop starts so many sessions whose output is kept; finds them again, by a manager of its own; writes a line to each and reads the answer, which leaves a reader attached to each; "
     "rests without readers until the connections are given up; and ends them; 32 at a time. Memory is measured at rest, the mean of one of each; the lag is that of the server's own loop."),
    ("network", "Servers over the network",
     "A server of each peer under the same load, a C program, over loopback; no-delay is set for all. *Echo*: each connection has one "
     "message under way. *Received* and *sent*: over one connection. *Accepted*: 16 clients at a time connect, finish, and wait for the "
     "close. The load takes about the processor time that the server in C takes, on another processor, and most of both is the "
     "kernel's: beside the time stands the server's own processor time. System calls and allocations are the server's."),
]
VARIANTS = {
    "manager": "`writeRPC`; lines that wait share a connection",
    "unconfirmed": "the original: does not wait",
    "uv_spawn": "by `uv_spawn`",
    "c-client": "with C's client",
    "busy-poll": "the client polls without sleeping; UVKeeper for at most 50 µs",
    "pipeline": "a pipeline of child, tee and reader",
    "each": "one `uv_write` per message",
    "off": "`PI_KEEPER_SCOPE=off`",
    "scope": "`PI_KEEPER_SCOPE=auto`: a scope",
    "capturing": "completions that capture two things",
}


def figure_result(figure, values, counts):
    """What one figure came to, by peer."""
    ours = values["uvkeeper"]
    peers = {
        key: {**summary(samples), "relative": ratio(samples, ours), **counts.get(key, {})}
        for key, samples in values.items()
    }
    targets = []
    for target in figure.targets:
        if target.of not in values or (target.against and target.against not in values):
            continue
        judged = values[target.of]
        if target.kind == "allocations":
            counted = counts.get(target.of, {}).get("allocations")
            if counted is None:
                continue
            # What the start of a run takes differs by a few from run to run.
            counted = round(counted, 2)
            measured = {"value": counted, "low": counted, "high": counted}
        elif target.kind == "absolute":
            low, high = middle_half(judged)
            measured = {"value": statistics.median(judged), "low": low, "high": high}
        elif target.kind == "at most":
            measured = ratio(judged, values[target.against])
        else:
            measured = ratio(values[target.against], judged)
        targets.append({"of": target.of, "peer": target.against, "kind": target.kind, "limit": target.limit, **measured,
                        "verdict": verdict(target.kind, target.limit, measured)})
    return {"title": figure.title, "unit": figure.unit, "peers": peers, "targets": targets}


def verdict(kind, limit, measured):
    """Undecided when what was measured spans the limit: another run may well come out on the other side of it."""
    low, high = measured["low"], measured["high"]
    if low < limit < high:
        return "undecided"
    is_met = low >= limit if kind == "at least" else high <= limit
    return "met" if is_met else "missed"


def name_of(key, titles, plain=False):
    base, _, variant = key.partition(":")
    title = titles.get(base, base)
    return f"{title}, {VARIANTS[variant]}".replace("`", "" if plain else "`") if variant else title


def number(value):
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def times(value):
    return f"{value:.2f}×" if value < 10 else f"{value:.0f}×"


def percent(spread):
    return "" if spread is None else f"±{spread * 100:.0f} %"


def console(result, titles):
    lines = [f"{result['name']}  ({result['seconds']:.0f} s)"]
    for figure in result["figures"]:
        for key, peer in figure["peers"].items():
            counts = "".join(
                f"  {peer[name]:.1f} {label}"
                for name, label in (("system_calls", "calls"), ("allocations", "allocations"))
                if peer.get(name) is not None
            )
            lines.append(
                f"    {figure['title'][:48]:48} {name_of(key, titles, True)[:34]:34} {number(peer['median']):>9} "
                f"{figure['unit']:3} {percent(peer['spread']):>6}  x{peer['relative']['value']:.2f}{counts}"
            )
    return "\n".join(lines)


def all_targets(everything):
    """Every target with what came of it; those that span benchmarks too."""
    rows = []
    figures = {}
    for result in everything["benchmarks"]:
        for figure in result["figures"]:
            figures[figure["title"]] = figure
            for target in figure["targets"]:
                variant = VARIANTS.get(target["of"].partition(":")[2])
                title = f"{figure['title']}, {variant}" if variant else figure["title"]
                rows.append({**target, "title": title, "unit": figure["unit"]})
    flat = [figures.get(f"loop blocked by one spawn, {size} resident") for size in ("0", "1024 MiB")]
    if all(flat):
        measured = ratio(*(figure["peers"]["uvkeeper"]["samples"] for figure in reversed(flat)))
        rows.append({"title": "one spawn at 1 GiB, to one at 0", "peer": "uvkeeper", "kind": "at most", "limit": 1.5,
                     **measured, "verdict": verdict("at most", 1.5, measured)})
    return rows


def targets_that_are(kind, everything):
    return [row for row in all_targets(everything) if row["verdict"] == kind]


HEADLINES = [
    "connect, write, close; 1 in flight", "connect, write, close; 16 in flight", "connect, write, close; 128 in flight",
    "acknowledged line of 64 B, 1 in flight", "acknowledged line of 64 B, 16 in flight", "acknowledged line of 64 B, pipelined",
    "question to the child, and its answer; one at a time", "64 KiB of a child's output to 1 reader",
    "64 B lines, 1 connection", "1024 B lines, 1 connection", "start to published socket",
    "start to published socket, of 100 at once", "memory of one idle keeper of 100: private", "discovery of 1,000 keepers",
    "discovery of 1,000 keepers and their children", "loop blocked by one spawn, 1024 MiB resident",
    "TCP echo, 64 connections, 64 B", "TCP connection accepted, read to its end, closed", "UDP echo, 32 under way, 64 B",
]


# The five that README.md shows.
README_ROWS = [
    "acknowledged line of 64 B, 16 in flight", "acknowledged line of 64 B, pipelined", "start to published socket",
    "memory of one idle keeper of 100: private", "TCP echo, 64 connections, 64 B",
]


def headlines_table(everything, rows=None):
    """The whole systems, or some of them, a row each."""
    titles = everything["titles"]
    others = [key for key in titles if key not in ("uvkeeper", "node20")]
    figures = {figure["title"]: figure for result in everything["benchmarks"] for figure in result["figures"]}
    yield f"| | UVKeeper | {' | '.join(titles[key] for key in others)} |"
    yield f"|---|{'---:|' * (len(others) + 1)}"
    for title in rows or HEADLINES:
        if title not in figures:
            continue
        figure = figures[title]
        peers = figure["peers"]
        ours = f"{number(peers['uvkeeper']['median'])} {figure['unit']} {percent(peers['uvkeeper']['spread'])}".rstrip()
        relatives = [peers[key]["relative"] if key in peers else None for key in others]
        cells = [f"{times(one['value'])} {percent(one['spread'])}".rstrip() if one else "" for one in relatives]
        yield f"| {title} | {ours} | {' | '.join(cells)} |"


def private_memory(everything):
    """Why a keeper alone has so much more private memory than one of many; nothing if the data show no such thing."""
    figures = {figure["title"]: figure["peers"] for result in everything["benchmarks"] for figure in result["figures"]}
    names = [f"memory of one idle keeper of {keepers}: {kind}" for kind in ("private", "RSS") for keepers in (1, 100)]
    if not all(name in figures for name in names):
        return
    alone, many, rss_alone, rss_many = (figures[name]["uvkeeper"]["median"] for name in names)
    # Resident is the same: what is private to one alone is shared by many.
    if many > alone / 2 or not 0.8 < rss_many / rss_alone < 1.25:
        return
    yield (f"Private memory is what one more keeper costs. A UVKeeper keeper that is alone has {number(alone)} KiB of it, one "
           f"of 100 has {number(many)} KiB, and both have about as much resident ({number(rss_alone)} and {number(rss_many)} "
           "KiB): the difference are pages of the program's file, which keepers share, and which are private to the only one.")
    yield ""


def write_headlines(everything, page):
    """Puts five rows of the table of whole systems between the markers of README.md, whose other text stays."""
    machine = everything["machine"]
    text = [
        "<!-- results -->", *headlines_table(everything, README_ROWS), "",
        f"{everything['date']}, {machine['processor']}, {machine['cores']} cores. ±: half of the middle half of the runs.",
        "<!-- /results -->",
    ]
    before = page.read_text()
    after, places = re.subn(r"<!-- results -->\n.*?<!-- /results -->", lambda _: "\n".join(text), before, flags=re.DOTALL)
    if places != 1:
        raise RuntimeError(f"{page.name} has {places} places between <!-- results --> and <!-- /results -->")
    page.write_text(after)


def targets_table(everything):
    yield "| figure | against | target | measured | middle half | |"
    yield "|---|---|---:|---:|---:|---|"
    for row in all_targets(everything):
        against = name_of(row["peer"], everything["titles"])
        if row["kind"] == "allocations":
            limit, value, middle = f"at most {row['limit']} allocations", number(row["value"]), ""
        elif row["kind"] == "absolute":
            limit, value = (f"{number(row[name])} {row['unit']}" for name in ("limit", "value"))
            limit, middle = f"at most {limit}", f"{number(row['low'])} to {number(row['high'])}"
        else:
            kind = "time at most" if row["kind"] == "at most" else "faster at least"
            limit, value = f"{kind} {row['limit']:.3g}×", f"{row['value']:.2f}×"
            middle = f"{row['low']:.2f} to {row['high']:.2f}"
        shown = row["verdict"] if row["verdict"] == "met" else f"**{row['verdict']}**"
        yield f"| {row['title']} | {against} | {limit} | {value} | {middle} | {shown} |"


def group_tables(everything, group):
    titles = everything["titles"]
    yield "| figure | program | median | spread | to UVKeeper | system calls | allocations |"
    yield "|---|---|---:|---:|---:|---:|---:|"
    for result in everything["benchmarks"]:
        if result["group"] != group:
            continue
        for figure in result["figures"]:
            for index, (key, peer) in enumerate(figure["peers"].items()):
                counts = [peer.get(name) for name in ("system_calls", "allocations")]
                cells = ["" if count is None else f"{count:.2f}".rstrip("0").rstrip(".") for count in counts]
                yield (f"| {figure['title'] if index == 0 else ''} | {name_of(key, titles)} | {number(peer['median'])} "
                       f"{figure['unit']} | {percent(peer['spread'])} | {peer['relative']['value']:.2f}× | {' | '.join(cells)} |")


def write(everything, directory):
    """Writes RESULTS.md and the plots beside it."""
    plots = write_plots(everything, directory / "plots")
    machine = everything["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in everything["versions"].items())
    options = "".join(f" --{name.replace('_', '-')}" for name in ("quick", "cpu_time") if everything[name])
    lines = [
        "# Results", "",
        f"Written by `Benchmarks/compare{options}` on {everything['date']}, in {everything['seconds']} s; do not edit.", "",
        f"{machine['processor']}, {machine['cores']} cores, {machine['kernel']}; load before the run "
        f"{everything['load_before']}. {versions}.", "",
        "Medians of runs in turns (A B C A B C ...); the spread is half of the middle half of the runs. Ratios are those of "
        "the medians; *to UVKeeper* above 1 means slower, or bigger, than UVKeeper. How far a ratio can be trusted tells the "
        "middle half of the ratios within each turn, widened to the ratio itself where that lies outside. System calls and "
        "allocations are per operation, counted by strace and by a preloaded malloc, and do not depend on the machine's "
        "mood; of whole systems they are the client's, and Node's vary with its own threads. Everything has one event loop "
        "on one thread.", "",
    ]
    for name, reason in everything["skipped"].items():
        lines += [f"Skipped: {name}: {reason}.", ""]
    for failure in everything["failures"]:
        lines += [f"**Failed**: {failure}.", ""]
    lines += [
        "## In short", "", "Whole systems: UVKeeper's median, and how many times as much the others take; each with its "
        "spread, which is for a ratio half of its middle half.", "",
        *headlines_table(everything), "", *private_memory(everything), "## Targets", "",
        "*Undecided*: the middle half of the ratios spans the limit, and another run may come out on its other side.", "",
        *targets_table(everything), "",
    ]
    for group, title, text in GROUPS:
        if not any(result["group"] == group for result in everything["benchmarks"]):
            continue
        lines += [f"## {title}", "", text, ""]
        for file, alternative in plots.get(group, []):
            lines += [f"![{alternative}](plots/{file})", ""]
        lines += [*group_tables(everything, group), ""]
    (directory / "RESULTS.md").write_text("\n".join(map(wrapped, lines)).rstrip() + "\n")


def wrapped(line):
    """Prose in lines of 120 characters; tables and pictures stay as they are."""
    return line if line.startswith(("|", "!")) else textwrap.fill(line, 120, break_long_words=False, break_on_hyphens=False)
