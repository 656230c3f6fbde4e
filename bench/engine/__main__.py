"""`./dev bench engine`: measures the engine, bare apalis-postgres, its peers and the floor side by side, in one run, on one
private Postgres, and writes bench/results/engine.json, bench/results/engine.svg and the table in bench/README.md.

Invariants: one measurement at a time; each repetition measures everything once, in an order of its own, so that whatever the
machine does hits all alike; whatever was started ends with this process.
"""

import argparse
import datetime
import pathlib
import random
import signal
import sys
import time
import types

sys.path.insert(1, str(pathlib.Path(__file__).resolve().parents[1] / "shared"))  # what the benches have in common

import bars
import machine
import measure
import programs
import report
from cluster import Cluster
from figures import Figures
from floor import CLIENTS, SCRIPTS, Floor
from install import ROOT, Tree, install, versions
from program import call

FULL = types.SimpleNamespace(
    repeat=3, latencies=200, drain_seconds=2, floor_seconds=3, idle_seconds=5, singles=200, claimed_runs=4000,
    finished=1_000_000, patience=300, at_once=20,
)  # fmt: skip
QUICK = types.SimpleNamespace(
    repeat=1, latencies=25, drain_seconds=0.5, floor_seconds=1, idle_seconds=2, singles=30, claimed_runs=500,
    finished=20_000, patience=10, at_once=2,
)  # fmt: skip
FINISHED_DRAINS = ("1", "16", programs.UNLIMITED)  # concurrencies that are measured with finished runs, too
CLAIM_DRAIN = "16"


def arguments():
    parser = argparse.ArgumentParser(prog="./dev bench engine", description=__doc__.split("\n\n")[0])
    parser.add_argument("--repeat", type=int, metavar="N", help="repetitions of everything (3)")
    parser.add_argument("--quick", action="store_true", help="a smoke test: once, small, figures that mean little")
    parser.add_argument("--only", metavar="WHAT", help="ours, apalis, floor, peers: separated by commas")
    known = [program.name for program in programs.PEERS]
    parser.add_argument("--peers", metavar="NAMES", help=f"which peers, separated by commas: {', '.join(known)}")
    parser.add_argument("--finished", type=int, metavar="RUNS", help="finished runs in the tables (1,000,000)")
    parser.add_argument("--patience", type=float, metavar="SECONDS", help="longest time to wait for a quiet machine, in all (300)")
    parser.add_argument("--out", metavar="FILE", help="write the figures there, and neither plot nor table")
    given = parser.parse_args()
    options = types.SimpleNamespace(**vars(QUICK if given.quick else FULL), quick=given.quick, out=given.out)
    for name in ("repeat", "finished", "patience"):
        if getattr(given, name) is not None:
            setattr(options, name, getattr(given, name))
    options.only = _names(parser, given.only, ["ours", "apalis", "floor", "peers"])
    options.peers = _names(parser, given.peers, known)
    return options


def _names(parser, given, known):
    names = given.split(",") if given else known
    unknown = set(names) - set(known)
    if unknown:
        parser.error(f"no such name: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    return names


def wanted(options):
    found = [programs.OURS] if "ours" in options.only else []
    found += [programs.APALIS] if "apalis" in options.only else []
    return found + [peer for peer in programs.PEERS if "peers" in options.only and peer.name in options.peers]


def plan(options, measured):
    """The measurements of one repetition, in groups whose figures are compared with each other."""
    groups = {"latency": [], "one step": [], "ten steps": []}
    for program in measured:
        finished = [0, options.finished] if program is programs.OURS else [0]
        for runs in finished:
            groups["latency"].append(measure.Serve(program, runs))
            for drain in program.drains:
                if runs == 0 or drain.mode in FINISHED_DRAINS:
                    group = groups["one step" if drain.steps == 1 else "ten steps"]
                    group.append(measure.Throughput(program, drain, runs))
            if program is programs.OURS:
                claimed = next(drain for drain in program.drains if drain.steps == 1 and drain.mode == CLAIM_DRAIN)
                groups["one step"].append(measure.Claim(program, claimed, runs))
                groups["ten steps"].append(measure.Single(program, runs))
    if "floor" in options.only:
        for script in SCRIPTS:
            group = groups["one step" if script == "dequeue" else "ten steps"]
            group.extend(Floor(script, clients) for clients in CLIENTS)
    return groups


def in_order(groups, repetition):
    """An order of its own for each repetition, the same in each run of the bench."""
    shuffled = random.Random(repetition)
    names = list(groups)
    names = names[repetition % len(names) :] + names[: repetition % len(names)]
    for name in names:
        group = list(groups[name])
        shuffled.shuffle(group)
        yield from group


def say(text):
    print(text, file=sys.stderr, flush=True)


def fill(bench, options):
    """The database with finished runs in it; it is kept for all repetitions."""
    say(f"making {options.finished:,} finished runs")
    ours, database = programs.OURS, "bench_finished"
    bench.cluster.fresh(database)
    call(bench.command(ours, "migrate", database), bench.log(ours), seconds=120)
    call(bench.command(ours, "fill", database, options.finished), bench.log(ours), "filled", 900)


def attempt(bench, measurement, number, count):
    began = time.monotonic()
    try:
        measurement.run(bench)
        outcome = "ok"
    except Exception as error:  # of whatever kind: it costs this figure, is told in the result, and the rest goes on
        outcome = f"FAILED: {error}"
        figures, program = measurement_of(measurement)
        mode = measurement.drain.told if hasattr(measurement, "drain") else getattr(measurement, "mode", "")
        bench.figures.fail(figures, program, str(error) or repr(error), mode, getattr(measurement, "finished", 0))
    finished = f" ({measurement.finished:,} finished runs)" if getattr(measurement, "finished", 0) else ""
    say(f"[{number}/{count}] {measurement.name}{finished}: {outcome} ({time.monotonic() - began:.1f} s)")


def measurement_of(measurement):
    if isinstance(measurement, Floor):
        return "floor", "pgbench"
    kinds = {measure.Serve: "latency", measure.Claim: "claim", measure.Single: "single"}
    steps = measurement.drain.steps if isinstance(measurement, measure.Throughput) else 0
    return kinds.get(type(measurement)) or ("one_step_runs" if steps == 1 else "ten_step_runs"), measurement.program.name


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    options, tree, figures = arguments(), Tree(), Figures(programs.UNITS)
    began, started_at = time.monotonic(), datetime.datetime.now(datetime.timezone.utc)
    lock = tree.lock()  # held until this process ends
    missing = install(tree, wanted(options), say)
    measured = [program for program in wanted(options) if program.name not in missing]
    for name, reason in missing.items():
        say(f"{name}: {reason}")
        figures.fail("everything", name, reason)
    patience = machine.Patience(options.patience, options.at_once)
    measuring = time.monotonic()
    with lock, Cluster(tree.home / "pg", tree.log("postgres")) as cluster:
        say(f"Postgres {cluster.settings()['server_version']} on 127.0.0.1:{cluster.port}, durable, below {cluster.home}")
        bench = measure.Bench(cluster, tree, patience, figures, options)
        if programs.OURS in measured:
            fill(bench, options)
        groups = plan(options, measured)
        count, number = options.repeat * sum(map(len, groups.values())), 0
        for repetition in range(options.repeat):
            for measurement in in_order(groups, repetition):
                number += 1
                attempt(bench, measurement, number, count)
        settings = cluster.settings()
    result = {
        "measured_at": started_at.isoformat(timespec="seconds"),
        "seconds": {"installing": round(measuring - began), "measuring": round(time.monotonic() - measuring)},
        "quick": options.quick,
        "options": {name: value for name, value in vars(options).items() if name != "out"},
        "machine": machine.describe() | {"waited_for_quiet_s": round(patience.waited), "quiet_means": machine.QUIET},
        "versions": versions(tree),
        "postgres": settings,
        "bars": bars.compute(figures),
        "ratios": bars.ratios(figures),
        "cost_of_finished_runs": bars.costs(figures),
        "figures": figures.told(),
        "idle_statements": bench.idle_statements,
        "not_measured": figures.not_measured(),
    }
    report.write(result, ROOT, options.out, say)
    return 0


if __name__ == "__main__":
    sys.exit(main())
