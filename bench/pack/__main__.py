"""`./dev bench pack`: measures Compliance Packs of several sizes beside what stock tools need for the same, in one run, on servers
of its own, and writes bench/results/pack.json, bench/results/pack.svg and the table in bench/README.md.

Invariants: one thing at a time; what a bar compares is measured on the same data; whatever was started ends with this process, and
what was generated goes with it. With `--profile` only that one is measured, and what is known of the others is kept.
"""

import argparse
import datetime
import functools
import json
import pathlib
import shutil
import signal
import sys
import time

sys.path.insert(1, str(pathlib.Path(__file__).resolve().parents[1] / "shared"))  # what the benches have in common

import bars
import floor
import history
import machine
import packs
import profiles
import report
from cluster import Cluster
from figures import Figures
from installation import Installation, build
from tree import ROOT, Tree, commit, rustc

RESULT = ROOT / "bench" / "results" / "pack.json"
NEEDED = {"zip": "zip", "sha256sum": "coreutils"}
BYTES_PER_FINDING = 4_000  # of the database, its log and what is staged, a finding's audit entry and the floor's files included


def arguments():
    parser = argparse.ArgumentParser(prog="./dev bench pack", description=__doc__.split("\n\n")[0])
    names = [profile.name for profile in profiles.known(1, profiles.GROWN_BY)]
    parser.add_argument("--profile", action="append", choices=names, help="only this one (may be given again); the others keep their figures")
    parser.add_argument("--scale", type=float, default=1, metavar="N", help="make the larger profiles N times as large (1)")
    parser.add_argument("--growth", type=float, default=profiles.GROWN_BY, metavar="N", help="how many times enterprise x10 is (10)")
    parser.add_argument("--repeat", type=int, metavar="N", help="packs of each profile, after the one that warms up")
    parser.add_argument("--patience", type=float, default=300, metavar="SECONDS", help="longest time to wait for a quiet machine, in all (300)")
    parser.add_argument("--program", metavar="FILE", help="measure this driftpack instead of building one for production")
    parser.add_argument("--out", metavar="FILE", help="write the figures there, and neither plot nor table")
    return parser.parse_args()


def say(text):
    print(text, file=sys.stderr, flush=True)


def fits(profile, tree):
    """Why there is no room for a profile, if there is none."""
    needed, free = profile.findings * BYTES_PER_FINDING, shutil.disk_usage(tree.home).free
    if needed > free * 0.8:
        return f"needs about {needed / 1e9:.0f} GB of disk, and {free / 1e9:.0f} GB are free; --growth or --scale makes it smaller"
    return None


def measure(profile, installation, figures, patience, repeat):
    """Answers the steps of the last pack."""
    last = None
    for number in range((repeat or profile.repeat) + 1):
        patience.wait()
        last = packs.build(installation)
        say(f"{profile.name}: pack in {last['seconds']:.2f} s, worker at most {last['peak_mib']:.0f} MiB, {told(last['spent'])}")
        if number > 0:  # the first one warms up
            add(figures, profile, last)
    if profile.name != "x10":
        entries = installation.state / "entries"
        _, provenance = packs.unpack(installation, last["export"], entries)
        beside(profile, installation, provenance, entries, figures, patience)
    return last["steps"]


def beside(profile, installation, provenance, entries, figures, patience):
    """The floor, the chain and, on the smallest, the appends."""
    for _ in range(1 if profile.findings > 100_000 else 3):
        patience.wait()
        found = floor.pipeline(installation, provenance, entries)
        say(f"{profile.name}: floor {found['seconds']:.2f} s, {told(found['parts'])}")
        given = found["circumstances"]
        figures.add("floor", "floor", found["seconds"], given, profile.name)
        figures.add("floor_zip_size", "floor", found["zip_bytes"] / 1e6, given, profile.name)
        for part, seconds in found["parts"].items():
            figures.add(f"floor_{part}", "floor", seconds, given, profile.name)
    for _ in range(3):
        patience.wait()
        plain, ours = floor.chain(installation), packs.verify(installation)
        say(f"{profile.name}: {ours['entries']:,} entries verified in {ours['seconds']:.2f} s, copied to a hash in {plain['seconds']:.2f} s")
        figures.add("chain_floor", "floor", plain["seconds"], plain["circumstances"], profile.name)
        figures.add("chain_verify", "ours", ours["seconds"], ours["circumstances"], profile.name)
        figures.add("chain_rate", "ours", ours["entries"] / max(ours["spent"]["api"], 0.001), ours["circumstances"], profile.name)
    if profile is profiles.TYPICAL:
        for _ in range(3):
            patience.wait()
            plain = floor.appends(installation, 16, 5)
            say(f"{profile.name}: {plain['rate']:,.0f} entries a second appended by pgbench")
            figures.add("appends_floor", "floor", plain["rate"], plain["circumstances"], profile.name)
            watch = machine.Watch()
            line = json.loads(installation.call("dev", "append", "--org", "acme", "--writers", "16", "--seconds", "5"))
            foreign = watch.read()["foreign"]
            say(f"{profile.name}: {line['appended']:,} entries appended by 16 writers in {line['seconds']:.2f} s, chain {line['chain']}")
            if line["chain"] != "ok":
                raise RuntimeError(f"the chain is {line['chain']} after the appends")
            given = {"foreign": foreign, "quiet": foreign <= machine.QUIET}
            figures.add("appends", "ours", line["appended"] / line["seconds"], given, profile.name)


def add(figures, profile, pack):
    given, spent = pack["circumstances"], pack["spent"]
    rows = profile.findings + profile.scans + profile.audit_entries
    values = {
        "pack": pack["seconds"],
        "pack_processor": sum(spent.values()),
        "worker_processor": spent["worker"],
        "postgres_processor": spent["postgres"],
        "chromium_processor": spent["chromium"],
        "worker_peak": pack["peak_mib"],
        "per_row": pack["seconds"] / rows * 1e6,
        "zip_size": pack["export"]["size_bytes"] / 1e6,
    }
    for figure, value in values.items():
        figures.add(figure, "ours", value, given, profile.name)


def told(parts):
    return ", ".join(f"{name} {seconds:.2f} s" for name, seconds in parts.items())


def known_before(options, chosen):
    """Figures of earlier runs for the profiles that are not measured now."""
    if options.out or not RESULT.exists():
        return {"figures": [], "profiles": [], "steps": {}}
    before = json.loads(RESULT.read_text())
    names = {profile.name for profile in chosen}
    return {
        "figures": [told for told in before["figures"] if told["mode"] not in names],
        "profiles": [told for told in before["profiles"] if told["name"] not in names],
        "steps": {name: steps for name, steps in before["steps"].items() if name not in names},
    }


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    options, tree, figures = arguments(), Tree(), Figures(bars.UNITS)
    began, started_at = time.monotonic(), datetime.datetime.now(datetime.timezone.utc)
    lock = tree.lock()  # held until this process ends
    known = profiles.known(options.scale, options.growth)
    chosen = [profile for profile in known if not options.profile or profile.name in options.profile]
    before = known_before(options, chosen)
    figures.restore(before["figures"])
    program = build(tree, options.program, say, NEEDED)
    patience, steps, lost = machine.Patience(options.patience, 20), dict(before["steps"]), {}
    with lock, Cluster(tree.home / "pg", tree.log("postgres")) as cluster:
        for profile in chosen:
            lost |= {profile.name: reason for reason in [fits(profile, tree)] if reason}
            if profile.name in lost:
                say(f"{profile.name}: {lost[profile.name]}")
                continue
            try:
                fill = functools.partial(history.fill, profile=profile)
                with Installation(cluster, tree, program, say, fill, profile.pdf) as installation:
                    steps[profile.name] = measure(profile, installation, figures, patience, options.repeat)
            except Exception as error:  # of whatever kind: it costs this profile, is told in the result, and the rest goes on
                lost[profile.name] = str(error) or repr(error)
                say(f"{profile.name}: FAILED: {error}")
        settings = cluster.settings()
    order = [profile.name for profile in known]
    result = {
        "measured_at": started_at.isoformat(timespec="seconds"),
        "seconds": round(time.monotonic() - began),
        "scale": options.scale,
        "growth": options.growth,
        "profiles": sorted(before["profiles"] + [profile.told() for profile in chosen], key=lambda told: order.index(told["name"])),
        "machine": machine.describe() | {"waited_for_quiet_s": round(patience.waited), "quiet_means": machine.QUIET},
        "versions": {"driftpack": commit(), "rustc": rustc()},
        "postgres": settings,
        "bars": bars.compute(figures, options.growth),
        "steps": {name: steps[name] for name in order if name in steps},
        "figures": figures.told(),
        "not_measured": lost,
    }
    report.write(result, ROOT, options.out, say)
    return 0


if __name__ == "__main__":
    sys.exit(main())
