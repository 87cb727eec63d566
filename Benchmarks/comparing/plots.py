"""Bar charts as SVG, readable on light and on dark pages, whatever the page makes of the reader's wish."""

from html import escape

STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #1f2328; }
  .title { font-weight: 600; font-size: 14px; }
  .small { fill: #59636e; font-size: 11px; }
  .uvkeeper { fill: #d9480f; } .c { fill: #6e7781; } .node { fill: #2f9e44; } .nio { fill: #1971c2; } .uvloop { fill: #7048e8; }
  .line { stroke: #59636e; stroke-dasharray: 3 3; }
  .page { fill: #ffffff; }
  @media (prefers-color-scheme: dark) {
    .page { fill: #0d1117; } text { fill: #e6edf3; } .small { fill: #9198a1; } .line { stroke: #9198a1; }
    .uvkeeper { fill: #ff8a4c; } .c { fill: #9198a1; } .node { fill: #51cf66; } .nio { fill: #4dabf7; } .uvloop { fill: #9775fa; }
  }
"""
WIDTH, LABELS, VALUES, ROW = 760, 270, 120, 19


def shape_class(key):
    return "node" if key.startswith("node") else key.partition(":")[0]


def with_unit(value, unit):
    shown = f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
    return f"{shown}{unit}" if unit == "×" else f"{shown} {unit}"


def chart(title, groups, unit, limit=None):
    """`groups`: [(heading, [(label, class, value)])]; bars share one scale. `limit`: a value to mark."""
    largest = max(value for _, bars in groups for _, _, value in bars)
    largest = max(largest, limit or 0) or 1
    scale = (WIDTH - LABELS - VALUES) / largest
    mark = None if limit is None else LABELS + limit * scale
    parts, y = [], 32
    for heading, bars in groups:
        if heading:
            parts.append(f'<text x="8" y="{y + 13}" class="small">{escape(heading)}</text>')
            y += ROW
        for label, kind, value in bars:
            width = max(1.0, value * scale)
            shown, x = with_unit(value, unit), LABELS + width + 6
            # Not across the mark: 7 is the width of a figure.
            if mark and x - 6 < mark < x + 7 * len(shown):
                x = mark + 6
            parts.append(
                f'<text x="{LABELS - 8}" y="{y + 13}" text-anchor="end">{escape(label)}</text>'
                f'<rect x="{LABELS}" y="{y + 2}" width="{width:.1f}" height="{ROW - 5}" rx="2" class="{kind}"/>'
                f'<text x="{x:.1f}" y="{y + 13}" class="small">{escape(shown)}</text>'
            )
            y += ROW
        y += 6
    if mark:
        parts.insert(0, f'<line x1="{mark:.1f}" x2="{mark:.1f}" y1="24" y2="{y}" class="line"/>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y + 6}" width="{WIDTH}" height="{y + 6}" '
        f'role="img" aria-label="{escape(title)}">\n<style>{STYLE}</style>\n'
        f'<rect width="{WIDTH}" height="{y + 6}" rx="6" class="page"/>\n'
        f'<text x="8" y="19" class="title">{escape(title)}</text>\n'
        f'<text x="{WIDTH - 8}" y="19" class="small" text-anchor="end">shorter is better</text>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def bars_of(figure, titles):
    from .report import name_of

    return [
        (name_of(key, titles, True).replace("lines that wait share a connection", "waiting lines share"), shape_class(key), peer["median"])
        for key, peer in figure["peers"].items()
    ]


def write_plots(everything, directory):
    """Writes a chart for each group that was measured; returns file names and texts by group."""
    titles = everything["titles"]
    figures = {}
    for result in everything["benchmarks"]:
        figures.setdefault(result["group"], []).extend(result["figures"])
    charts = []  # (group, file, title, groups, unit, limit)

    ratios = [
        (figure["title"], "uvkeeper", 1 / figure["peers"]["c"]["relative"]["value"])
        for figure in figures.get("micro", [])
        if "c" in figure["peers"]
    ]
    if ratios:
        charts.append(("micro", "micro.svg", "UVLoop's time to that of plain C on libuv", [("", ratios)], "×", 1.0))

    def add(group, file, title, unit, wanted, heading=lambda title: title):
        chosen = [figure for figure in figures.get(group, []) if wanted(figure["title"])]
        if chosen:
            groups = [(heading(figure["title"]), bars_of(figure, titles)) for figure in chosen]
            charts.append((group, file, title, groups, unit, None))

    # What the title of the chart says need not stand above its bars.
    after_comma = lambda title: title.partition(", ")[2]
    add("spawn", "spawn.svg", "How long one spawn blocks the loop", "ms", lambda title: title.startswith("loop blocked"),
        after_comma)
    add("connect", "connect.svg", "Connect, write a line, close: time per line", "µs", lambda title: True,
        lambda title: title.partition("; ")[2])
    add("forward", "forward.svg", "Keeper's processor time per line", "ns", lambda title: "processor" in title,
        lambda title: title.partition(": ")[0])
    add("start", "start.svg", "From start to published socket", "ms", lambda title: title.startswith("start to"),
        lambda title: after_comma(title) or "alone")
    add("start", "memory.svg", "Private memory of one idle keeper", "KiB", lambda title: title.endswith("private"),
        lambda title: title.partition(" keeper of ")[2].partition(":")[0] + " running")
    add("discovery", "discovery.svg", "Finding 1,000 keepers again", "ms", lambda title: True,
        lambda title: title.partition(" of ")[2])
    add("network", "network.svg", "A server over the network: its processor time for one operation", "µs",
        lambda title: title.endswith("processor time"), lambda title: title.partition(": ")[0])
    if not charts:
        return {}
    directory.mkdir(parents=True, exist_ok=True)
    written = {}
    for group, file, title, groups, unit, limit in charts:
        (directory / file).write_text(chart(title, groups, unit, limit))
        written.setdefault(group, []).append((file, title))
    return written
