"""`./dev upgrade`: an installation of an earlier version under load is brought up to date while it works, goes back, and forward again.

Old server and worker on the old schema; the new program migrates while they work; old and new beside each other; new alone; old again, on
the new schema; new again, the old worker without notice. All the time scans come in, packs are requested and everything is read.
Then: no request failed but at a server that was told to end, each accepted pack was built once and verifies by both versions, every chain
verifies, no run is stuck, and runs that were under way at a swap went on from their checkpoints.
"""

import argparse
import json
import pathlib
import signal
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[1:1] = [str(HERE.parents[1] / "bench" / "shared")]  # a Postgres of one's own

import checks
import versions
from cluster import Cluster
from figures import percentile
from fleet import Fleet
from load import Load

OLD, NEW = "old", "new"
REFUSED = 4  # the exit code of a command that failed
DRAIN = 600  # seconds within which everything that was accepted must be done


def arguments():
    parser = argparse.ArgumentParser(prog="./dev upgrade", description=__doc__.split("\n\n")[0])
    parser.add_argument("--from", dest="earlier", metavar="COMMIT", help="the earlier version (the newest commit with fewer migrations, else HEAD~1)")
    parser.add_argument("--seconds", type=float, default=10, metavar="N", help="how long each phase lasts at least (10)")
    parser.add_argument("--orgs", type=int, default=24, metavar="N", help="organisations; each may ask for five packs (24)")
    parser.add_argument("--findings", type=int, default=40000, metavar="N", help="findings of each (40000)")
    parser.add_argument("--pack-every", type=float, default=1, metavar="SECONDS", help="how often a pack is requested (1)")
    parser.add_argument("--in-flight", type=int, default=2, metavar="N", help="so many runs at least are under way at each swap (2)")
    parser.add_argument("--program", metavar="FILE", help="the present program, instead of building it")
    parser.add_argument("--report", metavar="FILE", help="write the figures there, too, as JSON")
    return parser.parse_args()


def say(text):
    print(text, file=sys.stderr, flush=True)


class Play:
    def __init__(self, fleet, load, options):
        self.fleet, self.load, self.options = fleet, load, options
        self.swaps = {}

    def phase(self, name, what):
        self.load.phase = name
        say(f"── {name}: {what}")

    def last(self):
        """Lets the load go on for a while, and on until enough runs are under way; these are what the swap must not hurt."""
        time.sleep(self.options.seconds)
        until = time.monotonic() + 180
        while True:
            steps, epochs = checks.in_flight(self.fleet)
            if len(steps) >= self.options.in_flight:
                return steps, epochs
            if time.monotonic() > until:
                raise RuntimeError("packs are built too fast to be under way at a swap: more --findings, or a smaller --pack-every")
            time.sleep(0.02)

    def swap(self, name, *processes, how=signal.SIGTERM):
        """Ends the worker first, while it has something in hand, then the server."""
        self.swaps[name] = self.last()
        for process in processes:
            kill = how if process.endswith("worker") else signal.SIGTERM
            self.fleet.end(process, kill)

    def run(self):
        fleet = self.fleet
        self.phase("old", "the earlier version on its own schema")
        self.last()
        self.phase("migrate", "the new program migrates while the earlier version works")
        plan = self.planned()
        began = time.monotonic()
        fleet.call(NEW, "migrate")
        took = time.monotonic() - began
        say(f"migrated in {took:.1f} s")
        self.last()
        self.phase("mixed", "both versions beside each other")
        fleet.start(NEW)
        self.swap("old → new", "old-worker", "old-serve")
        self.phase("new", "the new version alone")
        self.last()
        self.phase("back", "the earlier version starts again on the new schema, and the new one is stopped")
        fleet.start(OLD)
        fleet.call(OLD, "migrate", codes=(REFUSED,))  # it does not know what a later version has done
        self.swap("new → old", "new-worker", "new-serve")
        self.phase("old again", "the earlier version alone on the new schema")
        self.last()
        self.phase("forward", "the new version starts again; the earlier worker is killed without notice")
        fleet.start(NEW)
        self.swap("old ✝ new", "old-worker", "old-serve", how=signal.SIGKILL)
        self.phase("new again", "the new version alone")
        time.sleep(self.options.seconds)
        self.load.end()
        return plan, took

    def planned(self):
        plan = json.loads(self.fleet.call(NEW, "migrate", "--plan", "--json"))
        say(self.fleet.call(NEW, "migrate", "--plan"))
        return plan


def judged(fleet, load, play):
    """What was looked at and what is wrong, by check."""
    say("── waiting until everything that was accepted is done")
    left = checks.drained(fleet, load, DRAIN)
    server = next(process.url for process in fleet.servers())
    found = {"no run is stuck, none failed": checks.runs(fleet, left)}
    found["each accepted pack is done, once"] = checks.packs(fleet, load)
    found["each pack verifies"] = checks.verified(fleet, load, (NEW, OLD), server)
    found["each chain verifies"] = checks.chains(fleet, server)
    found["doctor --full"] = checks.doctor(fleet, NEW)
    found["each accepted scan is there"] = checks.scans(fleet, load)
    total = 0
    for name, swap in play.swaps.items():
        runs, taken, again = checks.went_on(fleet, swap)
        total += taken
        found[f"{name}: runs go on from their checkpoints"] = (f"{runs} under way, {taken} taken over", again)
    # A worker that is told to end may finish what it has; the one that is killed cannot.
    found["runs are taken over by other workers"] = (f"{total} runs", [] if total else ["none was, so nothing is known of how they go on"])
    found["no request failed"] = (f"{len(load.answers)} requests", load.failures)
    return found


def shown(load, found):
    rows = [("PHASE", "REQUESTS", "OLD", "NEW", "PACKS", "FAILED", "REFUSED", "RESET", "503", "P50 MS", "P99 MS", "MAX MS")]
    for phase, (counts, took) in load.told().items():
        of = {version: sum(count for name, count in counts.items() if name.endswith(f" {version}")) for version in (OLD, NEW)}
        asked = sum(of.values())
        packs = sum(count for name, count in counts.items() if name.startswith("pack "))
        figures = [f"{percentile(took, part):.0f}" for part in (0.5, 0.99)] + [f"{max(took):.0f}"] if took else ["-"] * 3
        ends = [counts[end] for end in ("failed", "refused", "reset", "503")]
        rows.append((phase, asked, of[OLD], of[NEW], packs, *ends, *figures))
    widths = [max(len(str(row[column])) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(str(cell).ljust(width) if place == 0 else str(cell).rjust(width) for place, (cell, width) in enumerate(zip(row, widths, strict=True))) for row in rows]
    lines += ["", "Refused (no connection), reset (closed before a byte of the answer) and 503 count only at a server that was told to end, 503 also during the migration",
              "(Postgres ends one of two that wait for each other); each was asked again, with the same Idempotency-Key. Anything else that is not 2xx has failed.", ""]
    for name, (looked_at, wrong) in found.items():
        lines.append(f"{'WRONG' if wrong else 'ok   '}  {name} ({looked_at})")
        lines += [f"         {line}" for line in wrong[:10]] + ([f"         and {len(wrong) - 10} more"] if len(wrong) > 10 else [])
    return "\n".join(lines)


def main():
    options = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    commit, lacks = versions.checked(options.earlier or versions.newest_that_differs())
    say(f"from {commit[:12]} ({versions.git('log', '-1', '--format=%s', commit)})")
    say(f"which lacks {', '.join(lacks) or 'no migration'}")
    programs = {OLD: versions.build(commit, say), NEW: pathlib.Path(options.program).resolve() if options.program else versions.build_present(say)}
    for version, program in programs.items():
        said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
        say(f"{version}: {said.strip().splitlines()[0]}")
    home = versions.HOME
    with Cluster(home / "pg", home / "postgres.log") as cluster, Fleet(cluster, home / "state", home / "log", programs, say) as fleet:
        say(f"{options.orgs} organisations with {options.findings} findings each")
        fleet.begin(OLD, options.orgs, options.findings)
        fleet.start(OLD)
        with Load(fleet, options.pack_every) as load:
            play = Play(fleet, load, options)
            plan, took = play.run()
        found = judged(fleet, load, play)
        print(shown(load, found))
        errors = fleet.errors()
        for name, lines in errors.items():
            say(f"{name} has logged {len(lines)} errors, the first: {lines[0][:600]}")
        for length in load.stood_still:
            say(f"this machine stood still for {length:.0f} s; what timed out meanwhile says nothing: run it again")
    wrong = [name for name, (_, wrong) in found.items() if wrong]
    if options.report:
        told = {name: {"looked_at": looked_at, "wrong": lines} for name, (looked_at, lines) in found.items()}
        pathlib.Path(options.report).write_text(json.dumps({"from": commit, "migrated_seconds": took, "plan": plan, "checks": told, "errors": errors}, indent=1))
    print(f"\n{'Wrong: ' + ', '.join(wrong) if wrong else 'Everything holds.'}")
    sys.exit(1 if wrong else 0)


main()
