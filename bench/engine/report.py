"""The plot and the tables of a result. They are written by `page`."""

import bars
import page
import plot
import programs

COLOURS = {"ours": "ours", "durable": "durable", "queue": "queue"}
KINDS = {program.name: program.kind for program in (programs.OURS, programs.APALIS, *programs.PEERS)}
KEY = "ms, ○ median ● 99 %"
FLOOR = "one checkpoint per commit, 16 clients"


def write(result, root, out, say):
    page.write(result, "engine", root, out, say, drawn, table)


def redraw(root):
    page.redraw("engine", root, drawn, table)


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
    ]
    lines += page.bars(result)
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
