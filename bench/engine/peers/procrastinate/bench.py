"""procrastinate: woken by LISTEN/NOTIFY, twenty jobs at a time.

    bench.py migrate|serve|enqueue URL | load URL 1 RUNS | drain URL 1 RUNS CONCURRENCY
"""

import asyncio
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from procrastinate import App, PsycopgConnector  # noqa: E402
from protocol import Drain, begin, now, orders_async, say  # noqa: E402

LATENCY_CONCURRENCY, PUSHED_AT_ONCE = 4, 1000
UNFINISHED = "select exists (select from procrastinate_jobs where status <> 'succeeded') as unfinished"

command, url, *rest = sys.argv[1:]
concurrency = int(rest[2]) if command == "drain" else LATENCY_CONCURRENCY
app = App(connector=PsycopgConnector(conninfo=url, min_size=4, max_size=concurrency + 4))
last, drain_state = asyncio.Event(), None


@app.task(name="timed")
async def timed(number):
    at = now()
    say(started=number, at=at)


@app.task(name="noop")
async def noop(number):
    drain_state.begun()
    if drain_state.ended():
        last.set()


def work():
    return asyncio.create_task(app.run_worker_async(concurrency=concurrency, wait=True, install_signal_handlers=False))


async def enqueue_as_ordered():
    async for number in orders_async():
        start = now()
        await timed.defer_async(number=number)
        say(**{"enqueued": number, "from": start})


async def serve():
    worker = work()
    await asyncio.sleep(1)  # it listens a moment after it has begun
    await enqueue_as_ordered()
    worker.cancel()


async def load(_, runs):
    start = now()
    for first in range(0, runs, PUSHED_AT_ONCE):
        await noop.batch_defer_async(*[{"number": number} for number in range(first, min(runs, first + PUSHED_AT_ONCE))])
    say(loaded=runs, seconds=(now() - start) / 1e9)


async def drain(_, runs, __):
    global drain_state
    await asyncio.to_thread(begin)
    drain_state = Drain(runs)
    worker = work()
    await last.wait()
    while (await app.connector.execute_query_one_async(UNFINISHED))["unfinished"]:
        await asyncio.sleep(0.005)
    drain_state.report()
    worker.cancel()


async def main():
    async with app.open_async():
        commands = {"migrate": app.schema_manager.apply_schema_async, "serve": serve, "enqueue": enqueue_as_ordered}
        await {**commands, "load": load, "drain": drain}[command](*map(int, rest))
        sys.stdout.flush()
        os._exit(0)  # its worker would be waited for


asyncio.run(main())
