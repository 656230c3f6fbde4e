"""`./dev bench scale`: what becomes of an installation that grows: pages and the API with a million rows of everything, one
organisation among a thousand, packs by 1 to 8 workers, a queue of 10,000 packs. Writes bench/results/scale.json, the plot beside it
and the table in bench/README.md.

Invariants: one thing at a time, on servers of its own, which end with this process; with `--part` only that one is measured, and
what is known of the others is kept.
"""

import argparse
import datetime
import functools
import json
import pathlib
import signal
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[1:1] = [str(HERE.parent / "shared"), str(HERE.parent / "pack")]  # what the benches have in common, and the floor's statements

import bars
import crowd
import drains
import history
import machine
import packs
import profiles
import report
import rows
from cluster import Cluster
from figures import Figures, percentile
from installation import Installation, build
from tree import ROOT, Tree, commit, rustc

RESULT = ROOT / "bench" / "results" / "scale.json"
PARTS = ("rows", "crowd", "renderers")
BELONGS = {"rows": ("page", "api", "first"), "renderers": ("renderers",)}  # the first word of a figure's name; else it is the crowd's


def arguments():
    parser = argparse.ArgumentParser(prog="./dev bench scale", description=__doc__.split("\n\n")[0])
    parser.add_argument("--part", action="append", choices=PARTS, help="only this one (may be given again); the others keep their figures")
    parser.add_argument("--rows", type=int, default=1_000_000, metavar="N", help="findings, audit entries and finished runs (1,000,000)")
    parser.add_argument("--requests", type=int, default=300, metavar="N", help="requests of each address (300)")
    parser.add_argument("--orgs", type=int, default=1_000, metavar="N", help="organisations (1,000)")
    parser.add_argument("--findings", type=int, default=2_000, metavar="N", help="findings of each (2,000)")
    parser.add_argument("--queue", type=int, default=10_000, metavar="N", help="packs in the queue (10,000)")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4, 8], metavar="N", help="numbers of workers (1 2 4 8)")
    parser.add_argument("--program", metavar="FILE", help="measure this driftpack instead of building one for production")
    parser.add_argument("--out", metavar="FILE", help="write the figures there, and neither plot nor table")
    return parser.parse_args()


def say(text):
    print(text, file=sys.stderr, flush=True)


def of_rows(installing, options, figures, _):
    """Pages and the API over a million rows."""
    share = options.rows / 1_000_000
    profile = profiles.ENTERPRISE.times(share, "rows", pdf=False)
    with installing(functools.partial(history.fill, profile=profile)) as installation:
        installation.call("admin", "member", "platform-admin", "--email", rows.OPERATOR)
        pack = packs.build(installation)
        say(f"a pack of them in {pack['seconds']:.1f} s; now {options.rows:,} finished runs")
        rows.copy_runs(installation, pack["export"]["workflow_run_id"], options.rows)
        installation.settle()
        rows.measure(installation, pack["export"], options, figures, say)


def of_crowd(installing, options, figures, result):
    """One organisation among many; then packs of many by several workers, and a long queue."""
    with installing(crowd.fill) as installation:
        _, alone = crowd.measure(installation, figures, "alone", say)
        crowd.join(installation, options.orgs, options.findings)
        _, among = crowd.measure(installation, figures, "among many", say)
        result["blocks"] = {name: (alone[name], among[name]) for name in alone}
        installation.end("worker")
        orgs = drains.organisations(installation, options.orgs)
        for workers in options.workers:
            installation.forget_requests()
            drained(installation, figures, orgs, 1, workers, "drain", f"{workers} workers")
        fair = drains.fairness(installation, orgs[:200], say)
        say(f"{fair:.0%} of 200 small packs were done before the large organisation's fifth")
        figures.add("fair", "ours", fair, {"foreign": 0.0, "quiet": True}, "200 small, 5 large")
        long_queue(installation, figures, orgs, options)


def drained(installation, figures, orgs, each, workers, name, mode):
    """Requests packs, drains them, and keeps the figures."""
    seconds, took = drains.request(installation, orgs, each)
    say(f"{len(took):,} packs requested in {seconds:.1f} s")
    done = drains.drain(installation, workers, say)
    given = done["circumstances"]
    say(f"{mode}: {done['packs']:,} packs in {done['seconds']:.1f} s, a worker at most {done['peak_mib']:.0f} MiB, {done['twice']} steps twice")
    if done["packs"] != len(took):
        raise RuntimeError(f"{len(took)} packs were requested and {done['packs']} were built")
    figures.add("request_rate", "ours", len(took) / seconds, given, mode)
    figures.add("request_p99", "ours", percentile(took, 0.99), given, mode)
    figures.add(f"{name}_rate", "ours", done["packs"] / done["seconds"], given, mode)
    figures.add(f"{name}_peak", "ours", done["peak_mib"], given, mode)
    figures.add("twice", "ours", done["twice"], given, mode)


def long_queue(installation, figures, orgs, options):
    """Five packs of each organisation a day: the queue is filled in as many days as it takes."""
    left = options.queue
    while left > 5 * len(orgs):
        installation.forget_requests()
        drains.request(installation, orgs, 5)
        left -= 5 * len(orgs)
    installation.forget_requests()
    seconds, took = drains.request(installation, orgs[: left // 5], 5)
    waiting = drains.counted(installation)["left"]
    say(f"{waiting:,} packs wait")
    done = drains.drain(installation, 2, say)
    given, mode = done["circumstances"], f"{waiting:,} packs, 2 workers"
    say(f"{mode}: {done['seconds']:.0f} s, a worker at most {done['peak_mib']:.0f} MiB")
    figures.add("request_rate", "ours", len(took) / seconds, given, mode)
    figures.add("queue_rate", "ours", done["packs"] / done["seconds"], given, mode)
    figures.add("queue_peak", "ours", done["peak_mib"], given, mode)
    figures.add("queue_failed", "ours", waiting - done["packs"], given, mode)


def of_renderers(installing, options, figures, _):
    """How many browsers one worker has at once while it prints many packs."""
    orgs = min(options.orgs, 24)
    with installing(crowd.fill, pdf=True) as installation:
        crowd.join(installation, orgs, 100)
        ids = drains.organisations(installation, orgs)
        drains.request(installation, ids, 1)
        most = 0
        while drains.counted(installation)["left"]:
            most = max(most, packs.browsers(installation.children["worker"].pid))
            time.sleep(0.02)
        if most == 0:
            raise RuntimeError("no browser was seen")
        figures.add("renderers", "ours", most, {"foreign": 0.0, "quiet": True}, f"{orgs} packs at once")


def known_before(options, chosen):
    """Figures of earlier runs for the parts that are not measured now."""
    if options.out or not RESULT.exists():
        return {"figures": [], "blocks": {}}
    before = json.loads(RESULT.read_text())
    kept = [told for told in before["figures"] if part_of(told["figure"]) not in chosen]
    return {"figures": kept, "blocks": {} if "crowd" in chosen else before["blocks"]}


def part_of(figure):
    first = figure.split("_")[0]
    return next((part for part, names in BELONGS.items() if first in names), "crowd")


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    options, tree, figures = arguments(), Tree(), Figures(bars.UNITS)
    began, started_at = time.monotonic(), datetime.datetime.now(datetime.timezone.utc)
    lock = tree.lock()  # held until this process ends
    chosen = options.part or list(PARTS)
    before = known_before(options, chosen)
    figures.restore(before["figures"])
    program, lost, result = build(tree, options.program, say), {}, {"blocks": before["blocks"]}
    with lock, Cluster(tree.home / "pg", tree.log("postgres")) as cluster:
        installing = functools.partial(Installation, cluster, tree, program, say)
        for part, measure in (("rows", of_rows), ("crowd", of_crowd), ("renderers", of_renderers)):
            if part not in chosen:
                continue
            try:
                measure(installing, options, figures, result)
            except Exception as error:  # of whatever kind: it costs this part, is told in the result, and the rest goes on
                lost[part] = str(error) or repr(error)
                say(f"{part}: FAILED: {error}")
        settings = cluster.settings()
    result |= {
        "measured_at": started_at.isoformat(timespec="seconds"),
        "seconds": round(time.monotonic() - began),
        "sizes": {"rows": options.rows, "runs": options.rows, "orgs": options.orgs, "findings": options.findings, "queue": options.queue},
        "machine": machine.describe(),
        "versions": {"driftpack": commit(), "rustc": rustc()},
        "postgres": settings,
        "bars": bars.compute(figures),
        "figures": figures.told(),
        "not_measured": lost,
    }
    report.write(result, ROOT, options.out, say)
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
