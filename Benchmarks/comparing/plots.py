"""Bar charts as SVG, readable on light and on dark pages."""

from html import escape

STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #1f2328; }
  .title { font-weight: 600; font-size: 14px; }
  .small { fill: #59636e; font-size: 11px; }
  .uvkeeper { fill: #d9480f; } .c { fill: #6e7781; } .node { fill: #2f9e44; } .nio { fill: #1971c2; }
  .line { stroke: #59636e; stroke-dasharray: 3 3; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; } .small { fill: #9198a1; } .line { stroke: #9198a1; }
    .uvkeeper { fill: #ff8a4c; } .c { fill: #9198a1; } .node { fill: #51cf66; } .nio { fill: #4dabf7; }
  }
"""
WIDTH, LABELS, VALUES, ROW = 760, 270, 120, 19


def shape_class(key):
    return "node" if key.startswith("node") else key.partition(":")[0]


def chart(title, groups, unit, limit=None):
    """`groups`: [(heading, [(label, class, value)])]; bars share one scale. `limit`: a value to mark."""
    largest = max(value for _, bars in groups for _, _, value in bars)
    largest = max(largest, limit or 0) or 1
    scale = (WIDTH - LABELS - VALUES) / largest
    parts, y = [], 28
    for heading, bars in groups:
        if heading:
            parts.append(f'<text x="8" y="{y + 13}" class="small">{escape(heading)}</text>')
            y += ROW
        for label, kind, value in bars:
            width = max(1.0, value * scale)
            shown = f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
            parts.append(
                f'<text x="{LABELS - 8}" y="{y + 13}" text-anchor="end">{escape(label)}</text>'
                f'<rect x="{LABELS}" y="{y + 2}" width="{width:.1f}" height="{ROW - 5}" rx="2" class="{kind}"/>'
                f'<text x="{LABELS + width + 6:.1f}" y="{y + 13}" class="small">{shown} {escape(unit)}</text>'
            )
            y += ROW
        y += 6
    if limit is not None:
        x = LABELS + limit * scale
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="24" y2="{y}" class="line"/>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y + 6}" width="{WIDTH}" height="{y + 6}" '
        f'role="img" aria-label="{escape(title)}">\n<style>{STYLE}</style>\n'
        f'<text x="8" y="17" class="title">{escape(title)}</text>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def bars_of(figure, titles, keep=lambda key: True):
    from .report import name_of

    return [
        (name_of(key, titles, True).replace("; lines that wait share a connection", ""), shape_class(key), peer["median"])
        for key, peer in figure["peers"].items()
        if keep(key)
    ]


def write_plots(everything, directory):
    """Writes a chart for each group that was measured; returns file names and texts by group."""
    titles = everything["titles"]
    figures = {}
    for result in everything["benchmarks"]:
        figures.setdefault(result["group"], []).extend(result["figures"])
    charts = []  # (group, file, title, groups, unit, limit)

    ratios = [
        (figure["title"], "uvkeeper", 1 / figure["peers"]["c"]["relative"])
        for figure in figures.get("micro", [])
        if "c" in figure["peers"]
    ]
    if ratios:
        charts.append(("micro", "micro.svg", "UVLoop's time to that of plain C on libuv", [("", ratios)], "×", 1.0))

    def add(group, file, title, unit, wanted, keep=lambda key: True):
        chosen = [figure for figure in figures.get(group, []) if wanted(figure["title"])]
        if chosen:
            groups = [(figure["title"], bars_of(figure, titles, keep)) for figure in chosen]
            charts.append((group, file, title, groups, unit, None))

    add("spawn", "spawn.svg", "How long one spawn blocks the loop", "ms", lambda title: title.startswith("loop blocked"))
    add("connect", "connect.svg", "Time per line, a connection each", "µs", lambda title: True)
    add("forward", "forward.svg", "Keeper's processor time per line", "ns", lambda title: "processor" in title)
    add("start", "start.svg", "From start to published socket", "ms", lambda title: title.startswith("start to"))
    add("start", "memory.svg", "Private memory of one idle keeper", "KiB", lambda title: title.endswith("private"))
    add("discovery", "discovery.svg", "Finding 1,000 keepers again", "ms", lambda title: True)
    if not charts:
        return {}
    directory.mkdir(parents=True, exist_ok=True)
    written = {}
    for group, file, title, groups, unit, limit in charts:
        (directory / file).write_text(chart(title, groups, unit, limit))
        written.setdefault(group, []).append((file, title))
    return written
