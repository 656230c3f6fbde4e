"""The bars: what the engine has to reach against its peers and the floor, computed from one run's figures.

Invariants: nothing here is a figure of its own; a bar whose figures were not measured neither holds nor fails (`holds` is null).
"""

import programs

DURABLE = [program.name for program in programs.PEERS if program.kind == "durable"]
NOTIFIED = [program.name for program in programs.PEERS if program.notify]
DIRECT = [program.name for program in programs.PEERS if program.direct]
UNLIMITED = next(drain.told for drain in programs.OURS.drains if drain.mode == programs.UNLIMITED)
COMPARED = (
    "latency_other_p50", "latency_other_p99", "latency_same_p50", "latency_same_p99", "one_step_runs", "ten_step_runs",
    "single_steps", "single_whole", "claim_per_run",
)  # fmt: skip
HIGHER_IS_BETTER = {"one_step_runs", "ten_step_runs"}
START = "enqueue to start"
MOST_COST, MOST_IDLE = 0.10, 4


def compute(figures):
    return [
        _below(figures, f"{START} from another process, p99, below the best peer on LISTEN/NOTIFY", "latency_other_p99", NOTIFIED),
        _below(figures, f"{START} in the same process, p99, below the best direct start", "latency_same_p99", DIRECT),
        _times(figures, "steps a second, many runs in flight, against the best durable peer", "steps", DURABLE, 5),
        _above_floor(figures),
        _single(figures),
        _times(figures, "one-step runs a second against the best durable peer", "one_step_runs", DURABLE, 4),
        _times(figures, "one-step runs a second against bare apalis-postgres", "one_step_runs", ["apalis-postgres"], 0.5),
        _finished(figures),
        _idle(figures),
    ]


def _bar(name, value, unit, target, holds, **more):
    if value is None or target is None:
        return {"name": name, "value": value, "unit": unit, "target": target, "holds": None} | more
    told = {"name": name, "value": float(f"{value:.4g}"), "unit": unit, "target": float(f"{target:.4g}")}
    return told | {"holds": holds(value, target)} | more


def _ours(figures, figure, mode=None):
    return next(iter(figures.find(figure, "ours", mode)), None)


def _median(told):
    return told and told["median"]


def _named(told):
    return f"{told['program']} ({told['mode']}): {told['median']:g} {told['unit']}" if told else "not measured"


def _below(figures, name, figure, peers):
    ours, best = _ours(figures, figure), figures.best(figure, peers, highest=False)
    return _bar(name, _median(ours), "ms", _median(best), lambda value, target: value < target, against=_named(best))


def _times(figures, name, figure, peers, factor):
    ours, best = _ours(figures, figure, UNLIMITED), figures.best(figure, peers)
    ratio = ours["median"] / best["median"] if ours and best else None
    return _bar(name, ratio, "times", factor, lambda value, target: value >= target, ours=_named(ours), against=_named(best))


def _above_floor(figures):
    name = "steps a second, many runs in flight, above one commit per step by 16 pgbench clients"
    ours = _ours(figures, "steps", UNLIMITED)
    floor = next((told for told in figures.find("floor") if told["mode"] == "one checkpoint per commit, 16 clients"), None)
    return _bar(name, _median(ours), "steps/s", _median(floor), lambda value, target: value > target, against=_named(floor))


def _single(figures):
    name = "ten steps in a row against a bare loop of ten commits"
    ratio = _ours(figures, "single_ratio")
    return _bar(name, _median(ratio), "of the bare loop", 0.8, lambda value, target: value >= target)


def costs(figures):
    """What finished runs in the tables cost, as a share of each figure without them."""
    found = []
    for told in figures.told():
        if told["program"] != "ours" or told["finished_runs"] == 0 or told["figure"] not in COMPARED:
            continue
        empty = _ours(figures, told["figure"], told["mode"])
        if empty:
            with_them, without = told["median"], empty["median"]
            cost = without / with_them - 1 if told["figure"] in HIGHER_IS_BETTER else with_them / without - 1
            entry = {"figure": told["figure"], "mode": told["mode"], "finished_runs": told["finished_runs"]}
            found.append(entry | {"without": without, "with": with_them, "cost": round(cost, 4)})
    return found


def _finished(figures):
    found = costs(figures)
    runs = max((cost["finished_runs"] for cost in found), default=None)
    name = f"the most that {runs:,} finished runs cost any figure" if runs else "the most that finished runs cost any figure"
    worst = max(found, key=lambda cost: cost["cost"], default=None)
    told = worst and f"{worst['figure']}, {worst['mode'] or 'alone'}: {worst['without']:g} → {worst['with']:g}"
    return _bar(name, worst and worst["cost"], "of the figure", MOST_COST, lambda value, target: value < target, worst=told)


def _idle(figures):
    idle = _ours(figures, "idle_statements")
    name = "idle: statements a second and process"
    return _bar(name, _median(idle), "statements/s", MOST_IDLE, lambda value, target: value <= target)


def ratios(figures):
    """Ours against each other program: above 1 is better for throughput, below 1 is better for latency."""
    found = []
    for figure in ("latency_other_p99", "latency_same_p99", "one_step_runs", "steps"):
        ours = _ours(figures, figure, UNLIMITED if figure in ("one_step_runs", "steps") else None)
        for told in figures.find(figure):
            if ours and told["program"] != "ours":
                entry = {"figure": figure, "program": told["program"], "mode": told["mode"]}
                found.append(entry | {"ours_to_theirs": float(f"{ours['median'] / told['median']:.4g}")})
    return found
