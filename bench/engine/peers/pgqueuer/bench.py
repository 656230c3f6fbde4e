"""pgqueuer: woken by LISTEN/NOTIFY, jobs fetched and completed in batches, on uvloop.

    bench.py migrate|serve|enqueue URL | load URL 1 RUNS | drain URL 1 RUNS BATCH
"""

import asyncio
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import asyncpg  # noqa: E402
import uvloop  # noqa: E402
from pgqueuer import AsyncpgDriver, AsyncpgPoolDriver, PgQueuer, Queries  # noqa: E402
from protocol import Drain, begin, now, orders_async, say  # noqa: E402

LATENCY_BATCH, PUSHED_AT_ONCE = 10, 1000


async def migrate(url):
    await Queries(AsyncpgDriver(await asyncpg.connect(url))).install()


async def worker(url):
    return PgQueuer(AsyncpgPoolDriver(await asyncpg.create_pool(url, min_size=4, max_size=20)))


async def enqueue(url):
    queries = Queries(AsyncpgDriver(await asyncpg.connect(url)))
    async for number in orders_async():
        start = now()
        await queries.enqueue("timed", str(number).encode())
        say(**{"enqueued": number, "from": start})


async def serve(url):
    queue = await worker(url)

    @queue.entrypoint("timed")
    async def timed(job):
        at = now()
        say(started=int(job.payload), at=at)

    running = asyncio.create_task(queue.run(batch_size=LATENCY_BATCH))
    await asyncio.sleep(2)  # it listens a moment after it has begun
    await enqueue(url)
    running.cancel()


async def load(url, _, runs):
    queries = Queries(AsyncpgDriver(await asyncpg.connect(url)))
    start = now()
    for first in range(0, runs, PUSHED_AT_ONCE):
        jobs = min(PUSHED_AT_ONCE, runs - first)
        await queries.enqueue(["noop"] * jobs, [b"1"] * jobs, [0] * jobs)
    say(loaded=runs, seconds=(now() - start) / 1e9)


async def drain(url, _, runs, batch):
    queue, database, last = await worker(url), await asyncpg.connect(url), asyncio.Event()
    await asyncio.to_thread(begin)
    state = Drain(runs)

    @queue.entrypoint("noop")
    async def noop(job):
        state.begun()
        if state.ended():
            last.set()

    running = asyncio.create_task(queue.run(batch_size=batch))
    await last.wait()
    while await database.fetchval("select exists (select from pgqueuer)"):
        await asyncio.sleep(0.005)
    state.report()
    running.cancel()


async def main():
    command, url, *rest = sys.argv[1:]
    commands = {"migrate": migrate, "serve": serve, "enqueue": enqueue, "load": load, "drain": drain}
    await commands[command](url, *map(int, rest))
    sys.stdout.flush()
    os._exit(0)  # its worker would be waited for


uvloop.run(main())
