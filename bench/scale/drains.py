"""Packs of many organisations, requested while no worker is there, then built by 1, 2, 4 and 8 workers; and a queue of 10,000.

Invariants: every request goes over the API; what was done is counted in the database and in the storage, not by the workers.
"""

import contextlib
import datetime
import queue
import threading
import time
import urllib.error

import packs
from installation import SLUG
from machine import QUIET, Watch

LOOK = 0.05  # seconds between two looks at what is left
SMALL = "select id from orgs where slug like 'crowd-%' order by finding_seq, id limit {orgs}"


def request(installation, orgs, each):
    """Requests so many packs of each organisation; seconds, and milliseconds of each request."""
    todo, took, failed = queue.SimpleQueue(), [], []
    for number in range(each):
        for org in orgs:
            todo.put((org, number))
    starts, ends = installation.period

    def go():
        with contextlib.suppress(queue.Empty):
            while True:
                org, number = todo.get_nowait()
                day = starts + datetime.timedelta(days=number)
                body = {"period_start": f"{day}T00:00:00Z", "period_end": f"{ends}T00:00:00Z"}
                began = time.perf_counter()
                try:
                    installation.ask("POST", "/audit-exports", body, org)
                except (RuntimeError, urllib.error.URLError) as error:
                    failed.append(str(error))
                took.append((time.perf_counter() - began) * 1000)

    began = time.perf_counter()
    threads = [threading.Thread(target=go) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise RuntimeError(f"{len(failed)} requests failed, the first: {failed[0]}")
    return time.perf_counter() - began, took


def drain(installation, workers, say):
    """Starts so many workers and waits until nothing is left."""
    before = counted(installation)
    watch, began = Watch(), time.monotonic()
    names = [f"worker-{number}" for number in range(workers)]
    for name in names:
        installation.spawn(name, [installation.program, "worker"])
    try:
        said, first = time.monotonic(), None
        while (now := counted(installation))["left"]:
            if first is None and now["done"] > before["done"]:
                first = time.monotonic()
            if time.monotonic() - said > 15:
                said = time.monotonic()
                say(f"{workers} workers: {now['left']:,} packs left after {said - began:.0f} s")
            time.sleep(LOOK)
        took, noise = time.monotonic() - began, watch.read()
        peaks = [packs.peak_mib(installation.children[name].pid) for name in names]
    finally:
        installation.end(*names)
    done = now["done"] - before["done"]
    if now["failed"] > before["failed"]:
        raise RuntimeError(f"{now['failed'] - before['failed']} packs failed")
    circumstances = {"foreign": noise["foreign"], "quiet": noise["foreign"] <= QUIET}
    return {"packs": done, "seconds": took, "peak_mib": max(peaks), "twice": twice(installation), "circumstances": circumstances}


def counted(installation):
    query = """select count(*) filter (where status in ('pending', 'running')), count(*) filter (where status = 'done'),
                      count(*) filter (where status = 'failed') from audit_exports"""
    left, done, failed = map(int, installation.sql(query).split("|"))
    return {"left": left, "done": done, "failed": failed}


def twice(installation):
    """Steps that were carried out more than once, although no worker was lost."""
    return int(installation.sql("select count(*) from engine.steps where attempts > 1"))


def fairness(installation, orgs, say):
    """The one large organisation asks for five packs before many small ones ask for one: how many of these are done before the
    large one's last?"""
    installation.forget_requests()
    request(installation, [installation.org], 5)
    request(installation, orgs, 1)
    drain(installation, 2, say)
    query = f"""with mine as (select max(finished_at) as last from audit_exports e join orgs o on o.id = e.org_id
                              where o.slug = '{SLUG}')
                select count(*) filter (where e.finished_at < mine.last)::float8 / count(*)
                  from audit_exports e join orgs o on o.id = e.org_id, mine
                 where o.slug <> '{SLUG}' and e.requested_at > now() - interval '1 day'"""
    return float(installation.sql(query))


def organisations(installation, count):
    return installation.sql(SMALL.format(orgs=count)).splitlines()
