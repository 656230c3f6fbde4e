"""Writes the result: bench/results/engine.json, the plot beside it, and the part of bench/README.md between its marks.

Invariant: the table and the plot hold nothing that the JSON does not; what is written by hand in the README stays.
"""

import json
import pathlib

import bars
import plot
import programs

BEGIN, END = "<!-- engine: written by ./dev bench engine -->", "<!-- engine: end -->"
COLOURS = {"ours": "ours", "durable": "durable", "queue": "queue"}
KINDS = {program.name: program.kind for program in (programs.OURS, programs.APALIS, *programs.PEERS)}
KEY = "ms, ○ median ● 99 %"
FLOOR = "one checkpoint per commit, 16 clients"


def write(result, root, out, say):
    if out:
        pathlib.Path(out).write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
        say(f"written: {out}")
    else:
        folder = root / "bench" / "results"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "engine.json").write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
        (folder / "engine.svg").write_text(drawn(result))
        _replace(root / "bench" / "README.md", table(result))
        say("written: bench/results/engine.json, bench/results/engine.svg, bench/README.md")
    for bar in result["bars"]:
        mark = {True: "holds", False: "MISSED", None: "not measured"}[bar["holds"]]
        say(f"{mark:>12}  {bar['name']}: {plot.bar_amount(bar, 'value')} (bar: {plot.bar_amount(bar, 'target')})")


def _replace(path, text):
    whole = path.read_text() if path.exists() else f"{BEGIN}\n{END}\n"
    before, _, rest = whole.partition(BEGIN)
    path.write_text(f"{before}{BEGIN}\n{text}{END}{rest.partition(END)[2]}")


def redraw(root):
    """Plot and table anew from the figures that are there."""
    result = json.loads((root / "bench" / "results" / "engine.json").read_text())
    (root / "bench" / "results" / "engine.svg").write_text(drawn(result))
    _replace(root / "bench" / "README.md", table(result))


def _find(result, figure, finished=0):
    return [told for told in result["figures"] if told["figure"] == figure and told["finished_runs"] == finished]


def _best(result, figure, highest=True):
    """Each program's best mode, best program first."""
    best = {}
    for told in _find(result, figure):
        known = best.get(told["program"])
        if known is None or (told["median"] > known["median"]) == highest:
            best[told["program"]] = told
    return sorted(best.values(), key=lambda told: told["median"], reverse=highest)


def _rows(found):
    return [(told["program"], COLOURS[KINDS[told["program"]]], told) for told in found]


def drawn(result):
    floor = next((told["median"] for told in _find(result, "floor") if told["mode"] == FLOOR), None)
    reference = (floor, f"16 pgbench clients, one commit per step: {plot.amount(floor)}") if floor else None
    finished = max((told["finished_runs"] for told in result["figures"]), default=0)
    concurrency = []
    for runs, colour in ((0, "ours"), (finished, "durable")):
        for told in _find(result, "steps", runs) if runs or not concurrency else []:
            if told["program"] == "ours":
                concurrency.append((_short(told["mode"]) + (f", {_many(runs)} kept" if runs else ""), colour, told))
    concurrency.sort(key=lambda row: (row[1] != "ours", -row[2]["median"]))
    kinds = [("ours", "this engine"), ("durable", "durable peers: every step is kept"), ("queue", "queues: no steps, no history")]
    grey = f"steps a second; grey: {finished:,} finished runs in the tables"
    panels = [
        [plot.legend_panel(kinds)],
        [
            plot.bar_panel("Steps, many runs in flight", "ten-step runs, steps a second", _rows(_best(result, "steps")), reference),
            plot.bar_panel("One-step runs", "runs a second", _rows(_best(result, "one_step_runs"))),
        ],
        [
            plot.latency_panel("Enqueue to start, from another process", KEY, _latencies(result, "latency_other")),
            plot.latency_panel("Enqueue to start, in the same process", KEY, _latencies(result, "latency_same")),
        ],
        [
            plot.bar_panel("This engine by runs in flight", grey, concurrency),
            plot.bar_panel("One run of ten steps in a row", "ms", _single(result)),
        ],
    ]
    machine, postgres = result["machine"], result["postgres"]
    subtitle = [
        f"{result['measured_at'][:10]} · engine {result['versions']['engine']} · "
        f"{machine['processors']} × {machine['model']} · Postgres {postgres['server_version'].split()[0]}, "
        f"fsync {postgres['fsync']}, synchronous_commit {postgres['synchronous_commit']}",
        f"Median of {result['options']['repeat']} repetitions; thin lines span the lowest and the highest." + _doubts(result),
    ]
    return plot.draw("The engine, its peers and the floor", subtitle, panels, result["bars"])


def _doubts(result):
    noisy = sum(not told["quiet"] for told in result["figures"])
    doubts = f" The machine was not quiet for {noisy} of {len(result['figures'])} figures." if noisy else ""
    return doubts + (" A smoke test: these figures mean little." if result["quick"] else "")


def _many(runs):
    return f"{runs / 1e6:g}M" if runs >= 1_000_000 else f"{runs / 1000:g}k"


def _short(mode):
    return mode.replace(" in flight", "").replace(" (1,000)", "")


def _latencies(result, figure):
    p99s = {told["program"]: told for told in _find(result, f"{figure}_p99")}
    rows = [(*row, p99s[row[0]]) for row in _rows(_find(result, f"{figure}_p50"))]
    return sorted(rows, key=lambda row: row[3]["median"])


def _single(result):
    names = {
        "bare_loop": ("ten bare commits", "floor"),
        "single_steps": ("its ten steps", "ours"),
        "single_whole": ("from start to end", "durable"),
    }
    return [(name, colour, told) for figure, (name, colour) in names.items() for told in _find(result, figure)]


def table(result):
    machine, postgres = result["machine"], result["postgres"]
    settings = ", ".join(f"{name} {value}" for name, value in postgres.items() if name != "server_version")
    lines = [
        "![The engine, its peers and the floor](results/engine.svg)",
        "",
        f"Measured {result['measured_at']} in {result['seconds']['measuring'] // 60} min on "
        f"{machine['processors']} × {machine['model']}, {machine['memory_gib']:g} GiB, {machine['system']}; "
        f"engine {result['versions']['engine']}, {result['versions']['rustc']}. "
        f"Postgres {postgres['server_version']}: {settings}.{_doubts(result)}",
        "",
        "| bar | reached | to reach | |",
        "|---|--:|--:|---|",
    ]
    for bar in result["bars"]:
        mark = {True: "holds", False: "**missed**", None: "not measured"}[bar["holds"]]
        lines.append(f"| {bar['name']} | {plot.bar_amount(bar, 'value')} | {plot.bar_amount(bar, 'target')} | {mark} |")
    sections = (
        ("Ten-step runs: steps per second", ["steps"], True),
        ("One-step runs per second", ["one_step_runs"], True),
        ("Enqueue to start from another process, ms", ["latency_other_p50", "latency_other_p99"], False),
        ("Enqueue to start in the same process, ms", ["latency_same_p50", "latency_same_p99"], False),
        ("One run of ten steps in a row", ["single_ratio", "single_steps", "single_whole", "bare_loop"], False),
        ("Claim", ["claim", "claim_per_run"], False),
        ("Per step of a ten-step run", ["commits_per_step", "writes_per_step", "wal_per_step"], False),
        ("Idle: statements per second and process", ["idle_statements"], False),
        ("The floor (pgbench)", ["floor", "floor_steps"], True),
    )
    for title, figures, highest in sections:
        lines += _section(result, title, figures, highest)
    return "\n".join(lines + _not_measured(result)) + "\n"


def _section(result, title, figures, highest):
    found = [told for told in result["figures"] if told["figure"] in figures]
    if not found:
        return []
    found.sort(key=lambda told: (figures.index(told["figure"]), -told["median"] if highest else told["median"]))
    lines = ["", f"### {title}", ""]
    lines += ["| program | mode | finished runs | figure | median | min–max | |", "|---|---|--:|---|--:|--:|---|"]
    for told in found:
        name = told["figure"].replace("_", " ")
        spread = f"{plot.amount(told['min'])}–{plot.amount(told['max'])}"
        noisy = "" if told["quiet"] else "not quiet"
        which = f"{told['program']} | {told['mode']} | {told['finished_runs']:,} | {name} ({told['unit']})"
        lines.append(f"| {which} | {plot.amount(told['median'])} | {spread} | {noisy} |")
    return lines


def _not_measured(result):
    lost = [entry for entry in result["not_measured"] if not entry["measured_in_other_repetitions"]]
    if not lost:
        return []
    lines = ["", "### Not measured", "", "| program | figure | mode | reason |", "|---|---|---|---|"]
    for entry in lost:
        reason = entry["reason"].replace("|", "\\|").replace("\n", " ")[:300]
        lines.append(f"| {entry['program']} | {entry['figure']} | {entry['mode']} | {reason} |")
    return lines
