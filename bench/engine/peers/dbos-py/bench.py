"""DBOS for Python: a queue polled every 10 ms for starts from another process, `start_workflow` in the process itself; for
throughput a queue (one step) and direct starts (ten steps), each where it was faster.

    bench.py migrate|serve|enqueue URL | load URL STEPS RUNS | drain URL STEPS RUNS queue|direct
"""

import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from dbos import DBOS, DBOSClient  # noqa: E402
from protocol import Drain, begin, now, orders, say  # noqa: E402
import psycopg  # noqa: E402

LATENCY_POLL, DRAIN_POLL, NEVER = 0.01, 0.05, 1000.0  # seconds
WORKER_CONCURRENCY, THREADS, LOADERS, CONNECTIONS = 100, 16, 16, 20

lock, last = threading.Lock(), threading.Event()
drain_state = None


@DBOS.step()
def noop(value):
    return value


@DBOS.workflow()
def timed(number):
    at = now()
    say(started=number, at=at)
    return number


def begun():
    with lock:
        drain_state.begun()


def ended():
    with lock:
        if drain_state.ended():
            last.set()


@DBOS.workflow()
def one(number):
    begun()
    value = noop(number)
    ended()
    return value


@DBOS.workflow()
def ten(number):
    begun()
    for value in range(10):
        noop(value)
    ended()
    return number


def launch(url, **more):
    DBOS(
        config={
            "name": "bench",
            "system_database_url": url,
            "log_level": "ERROR",
            "run_admin_server": False,
            "sys_db_pool_size": CONNECTIONS,
            "application_version": "v1",
            "executor_id": "e1",
            **more,
        }
    )
    DBOS.launch()


def serve(url):
    launch(url)
    DBOS.register_queue("q", polling_interval_sec=LATENCY_POLL)
    time.sleep(2)  # its first poll comes after a second
    for number in orders():
        start = now()
        DBOS.start_workflow(timed, number)
        say(**{"enqueued": number, "from": start})


def enqueue(url):
    client = DBOSClient(system_database_url=url)
    for number in orders():
        start = now()
        client.enqueue({"queue_name": "q", "workflow_name": timed.__qualname__}, number)
        say(**{"enqueued": number, "from": start})


def load(url, steps, runs):
    launch(url)
    DBOS.register_queue("parked", polling_interval_sec=NEVER)
    start = now()
    workflow = one if steps == 1 else ten
    with ThreadPoolExecutor(LOADERS) as pool:
        list(pool.map(lambda number: DBOS.enqueue_workflow("parked", workflow, number), range(runs)))
    say(loaded=runs, seconds=(now() - start) / 1e9)


def drain(url, steps, runs, mode):
    global drain_state
    launch(url, max_executor_threads=THREADS)
    database = psycopg.connect(url, autocommit=True)
    begin()
    drain_state = Drain(runs)
    if mode == "queue":
        DBOS.register_queue("q", polling_interval_sec=DRAIN_POLL, worker_concurrency=WORKER_CONCURRENCY)
        database.execute("update dbos.workflow_status set queue_name = 'q' where queue_name = 'parked'")
    else:
        for number in range(runs):
            DBOS.start_workflow(one if steps == 1 else ten, number)
    last.wait()
    unfinished = "select exists (select from dbos.workflow_status where status <> 'SUCCESS')"
    while database.execute(unfinished).fetchone()[0]:
        time.sleep(0.005)
    drain_state.report()


if __name__ == "__main__":
    command, url, *rest = sys.argv[1:]
    numbers = [int(word) if word.isdigit() else word for word in rest]
    {"migrate": launch, "serve": serve, "enqueue": enqueue, "load": load, "drain": drain}[command](url, *numbers)
    os._exit(0)  # its threads run for ever
