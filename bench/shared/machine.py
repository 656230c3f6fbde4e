"""The machine: what it is, and whether it was quiet.

Invariants: "foreign" is processor time that neither this process nor anything below it used (programs and Postgres are all
below it), as a share of the whole machine. Time stolen by other machines counts; interrupts and the kernel's own threads do not,
because it is mostly our writes and packets that they work for. A measurement on a machine that was not quiet is told as such.
"""

import os
import pathlib
import platform
import time

QUIET = 0.10  # most foreign processor time, as a share of all processors
KERNEL = 2  # the parent of the kernel's threads
LOOK = 0.5  # seconds of one look


def describe():
    cpu = pathlib.Path("/proc/cpuinfo").read_text()
    model = next((line.split(":")[1].strip() for line in cpu.splitlines() if line.startswith("model name")), platform.machine())
    memory = int(next(line.split()[1] for line in open("/proc/meminfo") if line.startswith("MemTotal")))
    system = next((line.split("=")[1].strip().strip('"') for line in open("/etc/os-release") if line.startswith("PRETTY_NAME")), "")
    return {
        "processors": os.cpu_count(),
        "model": model,
        "memory_gib": round(memory / 2**20, 1),
        "kernel": platform.release(),
        "system": system,
    }


def _all_ticks():
    """Ticks of the machine since it booted: of processes and stolen, stolen, all."""
    user, nice, system, idle, waiting, hard, soft, stolen = map(int, open("/proc/stat").readline().split()[1:9])
    used = user + nice + system + stolen
    return used, stolen, used + idle + waiting + hard + soft


def _own_ticks():
    """Ticks of this process, of the kernel's threads and of everything below; those of children that have ended are in their
    parents'."""
    parents, ticks = {}, {}
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        try:
            stat = open(f"/proc/{entry.name}/stat").read()
        except OSError:
            continue
        fields = stat[stat.rindex(")") + 2 :].split()
        process = int(entry.name)
        parents[process], ticks[process] = int(fields[1]), sum(map(int, fields[11:15]))
    total, children = 0, {}
    for process, parent in parents.items():
        children.setdefault(parent, []).append(process)
    todo = [os.getpid(), KERNEL]
    while todo:
        process = todo.pop()
        total += ticks.get(process, 0)
        todo.extend(children.get(process, []))
    return total


class Watch:
    """Foreign processor time between its making and `read`."""

    def __init__(self):
        self.began, self.all, self.own = time.monotonic(), _all_ticks(), _own_ticks()

    def read(self):
        (busy, stolen, everything), own = _all_ticks(), _own_ticks()
        span = max(1, everything - self.all[2])
        foreign = max(0, busy - self.all[0] - (own - self.own)) / span
        seconds = time.monotonic() - self.began
        return {"seconds": round(seconds, 2), "foreign": round(foreign, 3), "stolen": round((stolen - self.all[1]) / span, 3)}


class Patience:
    """Waits for a quiet machine, for so long in all and no longer than a moment at a time once that is used up."""

    def __init__(self, in_all, at_once):
        self.left, self.at_once, self.waited = in_all, at_once, 0.0

    def wait(self):
        """True: the machine is quiet now. False: it is not, and there is no patience left to wait for it."""
        began, calm = time.monotonic(), 0
        while True:
            watch = Watch()
            time.sleep(LOOK)
            calm = calm + 1 if watch.read()["foreign"] <= QUIET else 0
            waited = time.monotonic() - began
            if calm == 1 and waited <= 2 * LOOK or calm >= 2:
                break
            if waited >= min(self.at_once, self.left):
                break
        self.left = max(0.0, self.left - max(0.0, waited - LOOK))
        self.waited += waited
        return calm > 0
