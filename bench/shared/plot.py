"""Draws one run of the bench as an SVG: four panels and the list of bars.

Invariants: everything drawn is a figure of the result, with its spread from minimum to maximum; linear axes begin at zero; the
colours follow the reader's light or dark mode. Not here: what is compared with what (`report`).
"""

import html
import math

WIDTH, MARGIN, GUTTER, LABELS, ROW, HEAD = 1000, 28, 44, 128, 22, 64
STYLE = """
  svg { --ground: #ffffff; --ink: #16202c; --soft: #5b6878; --line: #dfe5ec; --ours: #0b7285; --durable: #8496ab;
        --queue: #c3ccd8; --floor: #d9480f; --good: #2b8a3e; --bad: #c92a2a; }
  @media (prefers-color-scheme: dark) {
    svg { --ground: #10161e; --ink: #e8edf3; --soft: #9aa8b8; --line: #2a3644; --ours: #3bc9db; --durable: #7489a3;
          --queue: #465568; --floor: #ff922b; --good: #51cf66; --bad: #ff6b6b; } }
  text { font: 12px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; fill: var(--ink);
         font-variant-numeric: tabular-nums; }
  .title { font-size: 20px; font-weight: 650; } .panel { font-size: 14px; font-weight: 600; } .soft { fill: var(--soft); }
  .small { font-size: 11px; } .ours { font-weight: 650; } .end { text-anchor: end; } .middle { text-anchor: middle; }
"""


class Canvas:
    def __init__(self):
        self.parts, self.height = [], 0

    def text(self, x, y, words, style=""):
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" class="{style}">{html.escape(words)}</text>')

    def box(self, x, y, width, height, colour, radius=2.0):
        place = f'x="{x:.1f}" y="{y:.1f}" width="{max(width, 0.8):.1f}" height="{height:.1f}"'
        self.parts.append(f'<rect {place} rx="{radius}" fill="var(--{colour})"/>')

    def line(self, x1, y1, x2, y2, colour, width=1.0, dash=""):
        dashes = f' stroke-dasharray="{dash}"' if dash else ""
        place = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
        self.parts.append(f'<line {place} stroke="var(--{colour})" stroke-width="{width}"{dashes}/>')

    def dot(self, x, y, radius, colour, filled=True):
        fill = f"var(--{colour})" if filled else "var(--ground)"
        self.parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{fill}" stroke="var(--{colour})" stroke-width="1.6"/>'
        )

    def svg(self):
        size = f'viewBox="0 0 {WIDTH} {self.height:.0f}" width="{WIDTH}" height="{self.height:.0f}"'
        head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">'
        ground = f'<rect width="{WIDTH}" height="{self.height:.0f}" fill="var(--ground)"/>'
        return "\n".join([head, f"<style>{STYLE}</style>", ground, *self.parts, "</svg>", ""])


def draw(title, subtitle, panels, bars):
    """`panels`: rows of panels, each a function that draws itself into (canvas, x, y, width) and answers its height."""
    canvas = Canvas()
    canvas.text(MARGIN, 42, title, "title")
    for number, line in enumerate(subtitle):
        canvas.text(MARGIN, 64 + 17 * number, line, "soft")
    y = 64 + 17 * len(subtitle) + 22
    for row in panels:
        width = (WIDTH - 2 * MARGIN - GUTTER * (len(row) - 1)) / len(row)
        heights = [panel(canvas, MARGIN + index * (width + GUTTER), y, width) for index, panel in enumerate(row)]
        y += max(heights) + 34
    canvas.height = _list_of_bars(canvas, y, bars) + MARGIN
    return canvas.svg()


def bar_panel(title, unit, rows, reference=None):
    """Horizontal bars from zero. Rows: (name, colour, told figure). A reference is (value, words)."""

    def drawn(canvas, x, y, width):
        _headline(canvas, x, y, title, unit)
        top, left = y + 34, x + LABELS
        most = max([told["max"] for _, _, told in rows] + ([reference[0]] if reference else []) + [1e-9])
        scale = (width - LABELS - 62) / most
        bottom = top + ROW * len(rows)
        canvas.line(left, top - 4, left, bottom, "line")
        for index, (name, colour, told) in enumerate(rows):
            middle = top + ROW * index + ROW / 2 - 2
            ours = colour == "ours"
            canvas.text(left - 8, middle + 4, name, "end ours" if ours else "end")
            canvas.box(left, middle - 6, told["median"] * scale, 12, colour)
            low, high = left + told["min"] * scale, left + told["max"] * scale
            canvas.line(low, middle, high, middle, "ink", 1.2)
            end = max(high, left + told["median"] * scale)
            words = amount(told["median"])
            beside = end + 6
            if reference and beside <= left + reference[0] * scale <= beside + 7 * len(words):
                beside = left + reference[0] * scale + 6  # not under the line
            canvas.text(beside, middle + 4, words, "small ours" if ours else "small")
        if reference:
            at = left + reference[0] * scale
            canvas.line(at, top - 8, at, bottom + 2, "floor", 1.4, "4 3")
            # On the side where there is room for it.
            if at < x + width / 2:
                canvas.text(at, bottom + 16, reference[1], "small soft")
            else:
                canvas.text(min(at, x + width - 4), bottom + 16, reference[1], "small soft end")
            bottom += 20
        return bottom - y

    return drawn


def latency_panel(title, unit, rows):
    """Median and 99th percentile on a logarithmic axis. Rows: (name, colour, told p50, told p99)."""

    def drawn(canvas, x, y, width):
        _headline(canvas, x, y, title, unit)
        top, left = y + 34, x + LABELS
        values = [value for _, _, p50, p99 in rows for value in (p50["min"], p99["max"])] or [1, 10]
        marks = _marks(min(values), max(values))
        low, high = math.log10(marks[0]), math.log10(marks[-1])
        scale = (width - LABELS - 46) / (high - low)
        bottom = top + ROW * len(rows)

        def place(value):
            return left + (math.log10(value) - low) * scale

        for mark in marks:
            canvas.line(place(mark), top - 4, place(mark), bottom, "line")
            canvas.text(place(mark), bottom + 14, f"{mark:g}", "small soft middle")
        for index, (name, colour, p50, p99) in enumerate(rows):
            middle = top + ROW * index + ROW / 2 - 2
            ours = colour == "ours"
            canvas.text(left - 8, middle + 4, name, "end ours" if ours else "end")
            canvas.line(place(p50["median"]), middle, place(p99["median"]), middle, colour, 3)
            canvas.line(place(p99["min"]), middle, place(p99["max"]), middle, "ink", 1)
            canvas.dot(place(p50["median"]), middle, 4, colour, filled=False)
            canvas.dot(place(p99["median"]), middle, 4, colour)
            end = max(place(p99["max"]), place(p99["median"]))
            canvas.text(end + 9, middle + 4, amount(p99["median"]), "small ours" if ours else "small")
        return bottom + 18 - y

    return drawn


def _marks(least, most):
    """1, 2, 5, 10 … as far as they are needed; at least two of them."""
    steps = [factor * 10.0**power for power in range(-3, 7) for factor in (1, 2, 5)]
    first = max([index for index, step in enumerate(steps) if step <= least], default=0)
    last = min([index for index, step in enumerate(steps) if step >= most], default=len(steps) - 1)
    return steps[first : max(last, first + 1) + 1]


def legend_panel(entries):
    def drawn(canvas, x, y, width):
        at = x
        for colour, words in entries:
            canvas.box(at, y - 10, 12, 12, colour)
            canvas.text(at + 18, y, words, "small soft")
            at += 30 + 6.2 * len(words)
        return 0

    return drawn


def _headline(canvas, x, y, title, unit):
    canvas.text(x, y + 4, title, "panel")
    canvas.text(x, y + 20, unit, "small soft")


def _list_of_bars(canvas, y, bars):
    canvas.text(MARGIN, y + 4, "What it has to reach", "panel")
    canvas.text(WIDTH - MARGIN - 92, y + 4, "reached", "small soft end")
    canvas.text(WIDTH - MARGIN, y + 4, "to reach", "small soft end")
    y += 14
    for bar in bars:
        canvas.line(MARGIN, y + 2, WIDTH - MARGIN, y + 2, "line")
        y += ROW
        _verdict(canvas, MARGIN + 6, y - 6, bar["holds"])
        canvas.text(MARGIN + 20, y - 2, bar["name"])
        canvas.text(WIDTH - MARGIN - 92, y - 2, bar_amount(bar, "value"), "end ours")
        canvas.text(WIDTH - MARGIN, y - 2, bar_amount(bar, "target"), "end")
    return y


def _verdict(canvas, x, y, holds):
    """A tick, a cross, or a ring for what was not measured: shapes, so that nobody needs the colours."""
    if holds is None:
        canvas.dot(x, y, 4, "durable", filled=False)
    elif holds:
        canvas.line(x - 5, y, x - 1.5, y + 4, "good", 2.2)
        canvas.line(x - 1.5, y + 4, x + 5, y - 5, "good", 2.2)
    else:
        canvas.line(x - 4, y - 4, x + 4, y + 4, "bad", 2.2)
        canvas.line(x - 4, y + 4, x + 4, y - 4, "bad", 2.2)


def bar_amount(bar, key):
    value = bar[key]
    if value is None:
        return "–"
    if bar["unit"] == "of the figure":
        return f"{value * 100:.1f} %"
    if bar["unit"] in ("times", "of the bare loop"):
        return f"{value:.2f} ×"
    return f"{amount(value)} {bar['unit'].replace('statements/s', '/s').replace('steps/s', '/s').replace('entries/s', '/s')}"


def amount(value):
    """Three digits that count, thousands separated."""
    if abs(value) >= 100:
        return f"{round(value):,}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
