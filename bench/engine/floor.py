"""The floor: what pgbench reaches on the same Postgres with the least SQL that could do the work, one commit per statement.

Invariants: the tables are emptied and filled anew before each; pgbench's own errors are errors here.
"""

from machine import QUIET, Watch
from program import ProgramError
from programs import HERE

DATABASE = "bench_floor"
# script → what it is, rows that it takes per second and client at most, steps in one transaction of pgbench
SCRIPTS = {
    "checkpoint": ("one checkpoint per commit", 0, 1),
    "dequeue": ("SKIP LOCKED dequeue, one job per commit", 8000, 1),
    "ten": ("claim, ten checkpoints, end: twelve commits", 900, 10),
}
CLIENTS = (1, 16)
MOST_JOBS = 150_000


class Floor:
    def __init__(self, script, clients):
        self.script, self.clients = script, clients
        self.told, self.rows, self.steps = SCRIPTS[script]
        self.mode = f"{self.told}, {clients} client{'s' if clients > 1 else ''}"
        self.name = f"floor: {self.mode}"

    def run(self, bench):
        seconds = bench.options.floor_seconds
        self._prepare(bench.cluster, seconds)
        quiet = bench.settled()
        watch = Watch()
        try:
            rate = bench.cluster.pgbench(HERE / "floor" / f"{self.script}.sql", self.clients, seconds, DATABASE)
        except RuntimeError as error:
            raise ProgramError(str(error)) from None
        seen = watch.read()
        circumstances = {"quiet": quiet and seen["foreign"] <= QUIET, **seen}
        bench.figures.add("floor", "pgbench", rate, circumstances, self.mode)
        if self.steps > 1:
            bench.figures.add("floor_steps", "pgbench", rate * self.steps, circumstances, self.mode)

    def _prepare(self, cluster, seconds):
        if cluster.sql(f"select count(*) from pg_database where datname = '{DATABASE}'") == "0":
            cluster.fresh(DATABASE)
            cluster.sql((HERE / "floor" / "tables.sql").read_text(), DATABASE)
        cluster.sql("truncate step, job restart identity", DATABASE)
        jobs = min(MOST_JOBS, int(self.rows * self.clients * seconds))
        if jobs:
            fill = f"insert into job (payload) select '{{\"n\": 1}}' from generate_series(1, {jobs})"
            cluster.sql(fill, DATABASE)
            cluster.sql("vacuum analyze job", DATABASE)
