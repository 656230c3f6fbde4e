"""The measurements: each takes a program and a fresh database, and gives figures.

Invariants: before each the machine is asked whether it is quiet, and while each runs foreign processor time is watched; what a
program says it has done is counted in the database before it is believed; a program that fails costs its own figure alone.
"""

import random
import time

import programs
from figures import percentile
from machine import QUIET, Watch
from program import Process, ProgramError, call

PAUSE = (0.015, 0.045)  # seconds between a run's start and the next enqueue
WARM_UP = 10  # runs before those that count
SETTLING = 1.0  # seconds from a program's readiness to the moment from which it counts as idle
ANSWER = 60  # seconds after which a run that was enqueued counts as lost
OWN_IDLE = 4  # times as long, because a bar depends on it and a few statements a second are counted
STATEMENTS_TOLD = 6


class Bench:
    """What all measurements share."""

    def __init__(self, cluster, tree, patience, figures, options):
        self.cluster, self.tree, self.patience = cluster, tree, patience
        self.figures, self.options = figures, options
        self.rates, self.idle_statements = {}, {}
        self.random = random.Random(1)

    def database(self, program, finished=0):
        """A database for one measurement: new, or the one with finished runs in it."""
        if finished:
            return "bench_finished"
        name = f"bench_{program.name.replace('-', '_')}"
        self.cluster.fresh(name)
        call(self.command(program, "migrate", name), self.log(program), seconds=120)
        return name

    def command(self, program, word, database, *arguments):
        return program.command(self.tree, word, self.cluster.url(database), *arguments)

    def log(self, program):
        return self.tree.log(program.name)

    def process(self, program, word, database, *arguments):
        return Process(self.command(program, word, database, *arguments), self.log(program))

    def settled(self):
        """Nothing of the last measurement is left to be written, and the machine is quiet, or is said not to be."""
        self.cluster.sql("checkpoint")
        return self.patience.wait()


def _circumstances(quiet_before, watch, **more):
    seen = watch.read()
    return {"quiet": quiet_before and seen["foreign"] <= QUIET, **seen, **more}


class Serve:
    """Idle statements, then enqueue to start from another process, then from the same one."""

    def __init__(self, program, finished=0):
        self.program, self.finished = program, finished
        self.name = f"{program.name}: idle and latency"

    def run(self, bench):
        database = bench.database(self.program, self.finished)
        with bench.process(self.program, "serve", database) as server:
            server.next("ready", self.program.startup)
            time.sleep(SETTLING)
            self._idle(bench, database)
            with bench.process(self.program, "enqueue", database) as client:
                client.next("ready", self.program.startup)
                self._latency(bench, "latency_other", server, client, self.program.latency_other)
            self._latency(bench, "latency_same", server, server, self.program.latency_same)

    def _idle(self, bench, database):
        if not bench.cluster.counts_statements:
            bench.figures.fail("idle_statements", self.program.name, "pg_stat_statements is not on this machine")
            return
        quiet = bench.settled()
        with bench.cluster.statements(database) as counted:
            bench.cluster.sql("select pg_stat_statements_reset()")
            began, watch = time.monotonic(), Watch()
            time.sleep(bench.options.idle_seconds * (OWN_IDLE if self.program.kind == "ours" else 1))
            statements, seconds = counted(), time.monotonic() - began
        rate = sum(calls for calls, *_ in statements) / seconds
        mode = self.program.latency_other
        bench.figures.add("idle_statements", self.program.name, rate, _circumstances(quiet, watch), mode, self.finished)
        told = [{"per_s": round(calls / seconds, 2), "text": text} for calls, _, _, text in statements[:STATEMENTS_TOLD]]
        bench.idle_statements[self.program.name] = told

    def _latency(self, bench, figure, server, client, mode):
        quiet = bench.settled()
        latencies, watch = [], Watch()
        base = 1_000_000 if server is client else 0  # numbers of its own, for peers that take them as ids
        for number in range(WARM_UP + bench.options.latencies):
            client.order(base + number)
            enqueued, started = _pair(server, client)
            if not started["started"] == enqueued["enqueued"] == base + number:
                raise ProgramError(f"run {base + number} was ordered, {enqueued} enqueued, {started} started")
            if number >= WARM_UP:
                latencies.append((started["at"] - enqueued["from"]) / 1e6)
            time.sleep(bench.random.uniform(*PAUSE))
        circumstances = _circumstances(quiet, watch, count=len(latencies))
        for share, name in ((0.5, "p50"), (0.99, "p99")):
            value = percentile(latencies, share)
            bench.figures.add(f"{figure}_{name}", self.program.name, value, circumstances, mode, self.finished)


def _pair(server, client):
    """What was said of one run: when it was enqueued, and when it started. One process says both, in either order."""
    if server is not client:
        return client.next("enqueued", ANSWER), server.next("started", ANSWER)
    seen = {}
    while len(seen) < 2:
        line = server.next(("enqueued", "started"), ANSWER)
        seen["enqueued" if "enqueued" in line else "started"] = line
    return seen["enqueued"], seen["started"]


class Throughput:
    """Loads runs and lets the program drain them: runs and steps per second, commits and bytes of log per step."""

    def __init__(self, program, drain, finished=0):
        self.program, self.drain, self.finished = program, drain, finished
        self.name = f"{program.name}: {drain.steps} step{'s' if drain.steps > 1 else ''}, {drain.told}"

    def run(self, bench):
        database = bench.database(self.program, self.finished)
        runs, rate = self._size(bench)
        if self.drain.loads:
            load = bench.command(self.program, "load", database, self.drain.steps, runs)
            call(load, bench.log(self.program), "loaded", 600)
        done_before = self._done(bench, database) if self.drain.loads or self.finished else 0
        commits = bench.cluster.commits(database)
        arguments = (self.drain.steps, runs, self.drain.mode)
        with bench.process(self.program, "drain", database, *arguments) as process:
            process.next("ready", self.program.startup)
            quiet = bench.settled()
            written, watch = bench.cluster.written(), Watch()
            process.order("go")
            drained = process.next("drained", 60 + 20 * runs / rate)
            circumstances = _circumstances(quiet, watch, count=runs)
            writes, wal = (after - before for after, before in zip(bench.cluster.written(), written))
        spent = {"commits_per_step": bench.cluster.commits(database) - commits, "writes_per_step": writes, "wal_per_step": wal}
        done = self._done(bench, database) - done_before
        if done != (0 - done_before if self.program.name in programs.DELETES else runs):
            raise ProgramError(f"said it had drained {runs} runs, but the database shows {done}")
        self._tell(bench, runs, drained["seconds"], circumstances, spent)

    def _done(self, bench, database):
        return int(bench.cluster.sql(self.program.done.replace("{steps}", str(self.drain.steps)), database))

    def _size(self, bench):
        """As many runs as take the wished time, by the rate of the last repetition."""
        rate = bench.rates.get((self.program.name, self.drain), self.drain.guess)
        return max(50, int(round(rate * bench.options.drain_seconds, -1 if rate < 1000 else -2))), rate

    def _tell(self, bench, runs, seconds, circumstances, spent):
        name, mode, steps = self.program.name, self.drain.told, self.drain.steps
        rate = runs / seconds
        bench.rates[name, self.drain] = rate

        def add(figure, value):
            bench.figures.add(figure, name, value, circumstances, mode, self.finished)

        add("one_step_runs" if steps == 1 else "ten_step_runs", rate)
        if steps > 1:
            add("steps", rate * steps)
            for figure, amount in spent.items():
                add(figure, amount / (runs * steps))


class Claim:
    """What a claim costs: the mean time of the statement that takes up due runs, while one-step runs are drained."""

    def __init__(self, program, drain, finished=0):
        self.program, self.drain, self.finished = program, drain, finished
        self.name = f"{program.name}: claim"

    def run(self, bench):
        if not bench.cluster.counts_statements:
            bench.figures.fail("claim", self.program.name, "pg_stat_statements is not on this machine")
            return
        database, runs = bench.database(self.program, self.finished), bench.options.claimed_runs
        call(bench.command(self.program, "load", database, 1, runs), bench.log(self.program), "loaded", 600)
        with bench.process(self.program, "drain", database, 1, runs, self.drain.mode) as process:
            process.next("ready", self.program.startup)
            quiet = bench.settled()
            with bench.cluster.statements(database) as counted:
                watch = Watch()
                process.order("go")
                process.next("drained", 60 + 20 * runs / self.drain.guess)
                circumstances = _circumstances(quiet, watch, count=runs)
                claims = [row for row in counted() if "lease_until = coalesce" in row[3].lower() and row[2] >= runs * 0.9]
        if not claims:
            raise ProgramError("no statement took up the runs")
        calls, milliseconds, rows, _ = min(claims, key=lambda row: row[2])
        mode = self.drain.told
        bench.figures.add("claim", self.program.name, milliseconds / calls, circumstances, mode, self.finished)
        per_run = milliseconds * 1000 / rows
        bench.figures.add("claim_per_run", self.program.name, per_run, circumstances, mode, self.finished)


class Single:
    """One run of ten steps in a row, beside a bare loop of ten commits on one connection, alternating in one process."""

    def __init__(self, program, finished=0):
        self.program, self.finished = program, finished
        self.name = f"{program.name}: one run of ten steps beside ten bare commits"

    def run(self, bench):
        database = bench.database(self.program, self.finished)
        with bench.process(self.program, "single", database, bench.options.singles) as process:
            process.next("ready", self.program.startup)
            quiet = bench.settled()
            watch = Watch()
            process.order("go")
            told = process.next("bare_ms", 300)
            circumstances = _circumstances(quiet, watch, count=len(told["bare_ms"]))
        bare, steps, whole = (percentile(told[key], 0.5) for key in ("bare_ms", "steps_ms", "whole_ms"))
        values = {"single_ratio": bare / steps, "single_steps": steps, "single_whole": whole, "bare_loop": bare}
        for figure, value in values.items():
            bench.figures.add(figure, self.program.name, value, circumstances, finished=self.finished)
