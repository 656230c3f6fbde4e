"""Writes a result: bench/results/NAME.json, the plot beside it, and the part of bench/README.md between NAME's marks.

Invariant: the table and the plot hold nothing that the JSON does not; what is written by hand in the README stays.
"""

import json
import pathlib

import plot

MARKS = {True: "holds", False: "**missed**", None: "not measured"}


def write(result, name, root, out, say, drawn, table):
    """`drawn` and `table` make the plot and the table of a result."""
    if out:
        pathlib.Path(out).write_text(_json(result))
        say(f"written: {out}")
    else:
        folder = root / "bench" / "results"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.json").write_text(_json(result))
        (folder / f"{name}.svg").write_text(drawn(result))
        replace(root / "bench" / "README.md", name, table(result))
        say(f"written: bench/results/{name}.json, bench/results/{name}.svg, bench/README.md")
    for bar in result["bars"]:
        mark = {True: "holds", False: "MISSED", None: "not measured"}[bar["holds"]]
        say(f"{mark:>12}  {bar['name']}: {plot.bar_amount(bar, 'value')} (bar: {plot.bar_amount(bar, 'target')})")


def redraw(name, root, drawn, table):
    """Plot and table anew from the figures that are there."""
    result = json.loads((root / "bench" / "results" / f"{name}.json").read_text())
    (root / "bench" / "results" / f"{name}.svg").write_text(drawn(result))
    replace(root / "bench" / "README.md", name, table(result))


def bars(result):
    """The lines of the table of bars."""
    lines = ["| bar | reached | to reach | |", "|---|--:|--:|---|"]
    for bar in result["bars"]:
        reached, target = plot.bar_amount(bar, "value"), plot.bar_amount(bar, "target")
        lines.append(f"| {bar['name']} | {reached} | {target} | {MARKS[bar['holds']]} |")
    return lines


def replace(path, name, text):
    begin, end = f"<!-- {name}: written by ./dev bench {name} -->", f"<!-- {name}: end -->"
    whole = path.read_text() if path.exists() else f"{begin}\n{end}\n"
    before, _, rest = whole.partition(begin)
    path.write_text(f"{before}{begin}\n{text}{end}{rest.partition(end)[2]}")


def _json(result):
    return json.dumps(result, indent=1, ensure_ascii=False) + "\n"
