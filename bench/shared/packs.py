"""Measures packs: from the accepted request to `done`, with the processor time and the memory that it took.

Invariants: the clock is the caller's; the memory is the worker's own peak while it builds this pack, counted by the kernel; the
processor time is that of the worker, of Chromium and of Postgres, each by itself.
"""

import contextlib
import json
import os
import time
import zipfile

from machine import QUIET, Watch

TICK = os.sysconf("SC_CLK_TCK")
LOOK = 0.01  # seconds between two looks at the export's state; a hundredth of the time that it has taken, where that is longer: looking costs, too


def children():
    """Every process, by its parent."""
    found = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                stat = open(f"/proc/{entry.name}/stat").read()
                found.setdefault(int(stat[stat.rindex(")") + 2 :].split()[1]), []).append(int(entry.name))
    return found


def seconds(process, below=None):
    """Processor time of a process and of everything below it, what has ended included; `below=False`: of it alone."""
    total, todo, tree = 0, [process], children()
    while todo:
        process = todo.pop()
        with contextlib.suppress(OSError):
            stat = open(f"/proc/{process}/stat").read()
            total += sum(map(int, stat[stat.rindex(")") + 2 :].split()[11 : 13 if below is False else 15]))
        if below is not False:
            todo.extend(tree.get(process, []))
    return total / TICK


def browsers(process):
    """Chromium's main processes below this one: of each browser the one that has no `--type`."""
    found, todo, tree = 0, [process], children()
    while todo:
        for child in tree.get(todo.pop(), []):
            todo.append(child)
            with contextlib.suppress(OSError):
                # Some of them write their own command line, with blanks between the words.
                words = open(f"/proc/{child}/cmdline").read().replace("\0", " ").split(" ")
                is_chromium = "chrom" in words[0] and "crashpad" not in words[0]
                found += is_chromium and not any(word.startswith("--type=") for word in words)
    return found


def peak_mib(process):
    status = open(f"/proc/{process}/status").read()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def forget_peak(process):
    with open(f"/proc/{process}/clear_refs", "w") as file:
        file.write("5")


class Spent:
    """What the parts of an installation have used since this was made."""

    def __init__(self, installation):
        self.installation, self.before = installation, self._now(installation)

    def _now(self, installation):
        worker = installation.children["worker"].pid
        own = seconds(worker, below=False)
        return {
            "worker": own,
            "chromium": seconds(worker) - own,
            "postgres": seconds(installation.cluster.process.pid),
            "api": seconds(installation.children["serve"].pid),
        }

    def read(self):
        return {part: now - self.before[part] for part, now in self._now(self.installation).items()}


def build(installation):
    """One pack: seconds, parts of them, memory, and what was built."""
    installation.forget_requests()
    worker = installation.children["worker"].pid
    installation.cluster.sql("checkpoint")
    forget_peak(worker)
    watch, spent = Watch(), Spent(installation)
    starts, ends = installation.period
    period = {"period_start": f"{starts}T00:00:00Z", "period_end": f"{ends}T00:00:00Z"}
    export = installation.ask("POST", "/audit-exports", period)
    began = time.monotonic()
    while export["status"] in ("pending", "running"):
        time.sleep(max(LOOK, (time.monotonic() - began) / 100))
        export = installation.ask("GET", f"/audit-exports/{export['id']}")
    took = time.monotonic() - began
    if export["status"] != "done":
        raise RuntimeError(f"the pack is {export['status']}: {export['error']}")
    noise = watch.read()
    return {
        "export": export,
        "seconds": took,
        "spent": spent.read(),
        "peak_mib": peak_mib(worker),
        "steps": steps(installation, export["workflow_run_id"]),
        "circumstances": {"foreign": noise["foreign"], "quiet": noise["foreign"] <= QUIET},
    }


def steps(installation, run):
    """How long each step took, and what lay between them."""
    query = f"""select name, extract(epoch from ended_at - started_at) from engine.steps where run_id = '{run}' order by seq"""
    lines = [line.split("|") for line in installation.sql(query).splitlines()]
    return {name: round(float(length), 3) for name, length in lines}


def unpack(installation, export, folder):
    """The entries of a pack as files, and what its provenance says of the statements behind them."""
    path = next(path for path in (installation.state / "storage").rglob("*") if path.is_file() and export["id"] in str(path))
    with zipfile.ZipFile(path) as pack:
        pack.extractall(folder)
        return path.stat().st_size, json.loads(pack.read("provenance.json"))


def verify(installation):
    """The whole chain, verified over the API: seconds, and processor time of the API."""
    watch, spent = Watch(), Spent(installation)
    began = time.monotonic()
    verdict = installation.ask("GET", "/audit-log/verify")
    took, noise = time.monotonic() - began, watch.read()
    if verdict["status"] != "ok":
        raise RuntimeError(f"the chain is {verdict['status']}: {verdict['message']}")
    return {
        "entries": verdict["checked"],
        "seconds": took,
        "spent": spent.read(),
        "circumstances": {"foreign": noise["foreign"], "quiet": noise["foreign"] <= QUIET},
    }
