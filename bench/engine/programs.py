"""What is measured, and in which modes: the engine, bare apalis-postgres, and the peers.

Invariants: each is measured in the mode in which it is fastest, its settings are named in the figure; a durable program keeps
every step's result, a queue keeps none, and no bar compares the two unless it says so. Not here: how they are installed
(`install`) or measured (`measure`).
"""

import dataclasses
import pathlib

HERE = pathlib.Path(__file__).resolve().parent


@dataclasses.dataclass(frozen=True)
class Drain:
    """One way to work through many runs."""

    steps: int
    mode: str  # the program's own last argument
    told: str  # the mode in words
    guess: float  # runs per second, for the size of the first repetition
    loads: bool = True  # runs are loaded by another process before; without it they are started by the measured one


@dataclasses.dataclass(frozen=True)
class Program:
    name: str
    kind: str  # ours | durable | queue
    by: str  # rust | python | node: what installs and runs it
    drains: tuple[Drain, ...]
    latency_other: str  # how a start reaches it from another process, in words
    latency_same: str  # the same within the process
    done: str  # SQL: how many runs of so many steps are finished
    prefix: str = ""  # of its commands
    notify: bool = False  # woken by LISTEN/NOTIFY rather than by a poll
    direct: bool = False  # a start within the process runs there without the detour over a queue
    startup: float = 30  # seconds until it is ready, at most

    def command(self, tree, word, *arguments):
        return [*tree.program(self), self.prefix + word, *map(str, arguments)]


def _ours(concurrency, one, ten):
    told = "unlimited (1,000 in flight)" if concurrency == 1000 else f"{concurrency} in flight"
    return Drain(1, str(concurrency), told, one), Drain(10, str(concurrency), told, ten)


UNLIMITED = "1000"

OURS = Program(
    "ours", "ours", "rust",
    drains=(*_ours(1, 300, 80), *_ours(4, 800, 150), *_ours(16, 1500, 300), *_ours(1000, 8000, 2500)),
    latency_other="LISTEN/NOTIFY", latency_same="start beside the worker",
    done="select count(*) from engine.runs where state = 'succeeded' and workflow in ('bench.one', 'bench.ten')",
    notify=True, direct=True,
)  # fmt: skip

APALIS = Program(
    "apalis-postgres", "queue", "rust",
    drains=(Drain(1, "100x4", "batch 100, 4 workers", 12000), Drain(1, "10x8", "batch 10, 8 workers", 5000)),
    latency_other="LISTEN/NOTIFY and a poll every 100 ms", latency_same="LISTEN/NOTIFY and a poll every 100 ms",
    done="select count(*) from apalis.jobs where status = 'Done'",
    prefix="apalis-",
)  # fmt: skip

DBOS_DONE = "select count(*) from dbos.workflow_status where status = 'SUCCESS'"

PEERS = (
    Program(
        "dbos-py", "durable", "python",
        drains=(
            Drain(1, "queue", "queue polled every 50 ms, worker concurrency 100, 16 threads", 250),
            Drain(10, "direct", "start_workflow without a queue, 16 threads", 35, loads=False),
        ),
        latency_other="queue polled every 10 ms", latency_same="start_workflow", done=DBOS_DONE, direct=True,
    ),
    Program(
        "dbos-ts", "durable", "node",
        drains=(
            Drain(1, "queue", "queue polled every 50 ms, worker concurrency 100", 600),
            Drain(10, "queue", "queue polled every 50 ms, worker concurrency 100", 130),
        ),
        latency_other="queue polled every 10 ms", latency_same="startWorkflow", done=DBOS_DONE, direct=True,
    ),
    Program(
        "dbos-rs", "durable", "rust",
        drains=(
            Drain(1, "64", "run without a queue, 64 in flight", 1500, loads=False),
            Drain(10, "64", "run without a queue, 64 in flight", 400, loads=False),
        ),
        latency_other="queue polled every 10 ms", latency_same="start", done=DBOS_DONE, direct=True,
    ),
    Program(
        "durare", "durable", "rust",
        drains=(
            Drain(1, "queue", "queue polled every 50 ms, worker concurrency 100", 1500),
            Drain(1, "direct", "start without a queue, 64 in flight", 1500, loads=False),
            Drain(10, "queue", "queue polled every 50 ms, worker concurrency 100", 350),
            Drain(10, "direct", "start without a queue, 64 in flight", 350, loads=False),
        ),
        latency_other="queue polled every 10 ms", latency_same="start", done=DBOS_DONE, direct=True,
    ),
    Program(
        "underway", "durable", "rust",
        drains=(
            Drain(1, "16", "enqueued and worked at the same time, 16 workers", 500, loads=False),
            Drain(10, "16", "enqueued and worked at the same time, 16 workers", 100, loads=False),
        ),
        latency_other="LISTEN/NOTIFY", latency_same="LISTEN/NOTIFY", notify=True,
        done="select count(*) from underway.task where state = 'succeeded' and (input->>'step_index')::int = {steps} - 1",
    ),
    Program(
        "graphile-worker", "queue", "node",
        drains=(
            Drain(1, "batched", "24 jobs at a time, local queue of 500, completed in batches", 20000),
            Drain(1, "single", "10 jobs at a time, each claimed and completed alone", 2500),
        ),
        latency_other="LISTEN/NOTIFY", latency_same="LISTEN/NOTIFY", notify=True,
        done="select count(*) from graphile_worker._private_jobs",
    ),
    Program(
        "pg-boss", "queue", "node",
        drains=(Drain(1, "100x4", "batches of 100, 4 local workers", 12000),),
        latency_other="LISTEN/NOTIFY (opt-in)", latency_same="LISTEN/NOTIFY (opt-in)", notify=True,
        done="select count(*) from pgboss.job where name = 'noop' and state = 'completed'",
    ),
    Program(
        "procrastinate", "queue", "python",
        drains=(Drain(1, "20", "20 jobs at a time", 450),),
        latency_other="LISTEN/NOTIFY", latency_same="LISTEN/NOTIFY", notify=True,
        done="select count(*) from procrastinate_jobs where status = 'succeeded'",
    ),
    Program(
        "pgqueuer", "queue", "python",
        drains=(Drain(1, "100", "batches of 100, completed in batches, uvloop", 9000),),
        latency_other="LISTEN/NOTIFY", latency_same="LISTEN/NOTIFY", notify=True,
        done="select count(*) from pgqueuer",
    ),
)  # fmt: skip

# Their jobs are deleted when they are done, so that none left is what a finished drain looks like.
DELETES = {"graphile-worker", "pgqueuer"}

UNITS = {
    "latency_other_p50": "ms", "latency_other_p99": "ms", "latency_same_p50": "ms", "latency_same_p99": "ms",
    "one_step_runs": "runs/s", "ten_step_runs": "runs/s", "steps": "steps/s", "idle_statements": "statements/s",
    "single_ratio": "of the bare loop", "single_steps": "ms", "single_whole": "ms", "bare_loop": "ms",
    "claim": "ms per call", "claim_per_run": "µs per run", "floor": "transactions/s", "floor_steps": "steps/s",
    "commits_per_step": "commits", "writes_per_step": "commits", "wal_per_step": "bytes",
}  # fmt: skip
