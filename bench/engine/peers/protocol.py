"""What every measured Python program speaks: orders are lines on standard input, figures one JSON object per line on standard
output, times nanoseconds of the clock that all processes of a machine share. Not here: what a program measures."""

import asyncio
import json
import sys
import time


def now():
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC)


def say(**figures):
    sys.stdout.write(json.dumps(figures) + "\n")
    sys.stdout.flush()


def begin():
    """Waits for the order to begin, given when the machine is quiet and the counters are read."""
    say(ready=True)
    assert sys.stdin.readline().strip() == "go", "the order to begin"


def orders():
    """The numbers of the runs to enqueue, until standard input ends."""
    say(ready=True)
    for line in sys.stdin:
        yield int(line)


async def orders_async():
    """The same without holding up the loop: a thread reads."""
    say(ready=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        yield int(line)


class Drain:
    """Counts the runs of a drain; the time begins with the first line of the first of them."""

    def __init__(self, runs):
        self.runs, self.left, self.first, self.ordered = runs, runs, None, now()

    def begun(self):
        if self.first is None:
            self.first = now()

    def ended(self):
        """True when this was the last one."""
        self.left -= 1
        return self.left == 0

    def report(self):
        end = now()
        say(drained=self.runs, seconds=(end - self.first) / 1e9, seconds_from_order=(end - self.ordered) / 1e9)
