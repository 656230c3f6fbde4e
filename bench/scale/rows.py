"""Answers with a million findings, scans, audit entries and finished runs in the database: every page, and the API.

Invariants: one organisation has it all, so that no question is answered from a small part of it; finished runs are copies of one that
the engine itself has driven to its end; each address is asked once before it counts.
"""

import gzip
import re
import time
import urllib.request

import visitor
from figures import percentile
from installation import DATABASE, OWNER
from machine import QUIET, Watch

PATIENCE = 60  # seconds
OPERATOR = "operator@acme.example"
COPIED = """
set session_replication_role = replica;
insert into engine.{table} ({id}, {names})
select (lpad(to_hex((extract(epoch from now()) * 1000)::bigint - n * 100), 12, '0')
          || '7' || substr(md5(n::text), 1, 3) || '8' || substr(md5(n::text), 4, 15))::uuid, {values}
  from engine.{table} as template, generate_series({runs}, 1, -1) as n
 where template.{id} = '{template}' {only}
"""


def copy_runs(installation, template, runs):
    """So many finished runs more, each with its first step."""
    _await_end(installation, template)
    for table, id, only in (("runs", "id", ""), ("steps", "run_id", "and template.seq = 1")):
        columns = installation.sql(f"""
            select column_name, data_type = 'timestamp with time zone' from information_schema.columns
             where table_schema = 'engine' and table_name = '{table}' and column_name not in ('{id}', 'idempotency_key')
               and is_generated = 'NEVER' and is_identity = 'NO'""")
        columns = [line.split("|") for line in columns.splitlines()]
        names = ", ".join(name for name, _ in columns)
        values = ", ".join(f"template.{name}" + (" - n * interval '100 ms'" if is_time == "t" else "") for name, is_time in columns)
        statement = COPIED.format(table=table, id=id, names=names, values=values, runs=runs, template=template, only=only)
        installation.cluster.sql(statement, DATABASE)


def _await_end(installation, run):
    """A pack can be had before its run has tidied up behind itself."""
    until = time.monotonic() + PATIENCE
    while (state := installation.sql(f"select state from engine.runs where id = '{run}'")) != "succeeded":
        if time.monotonic() > until:
            raise RuntimeError(f"the run of the pack is {state} after {PATIENCE} s")
        time.sleep(0.1)


def addresses(installation, run, export):
    """Pages of an organisation, pages of operators, and questions to the API: (name, path)."""
    of_org, api = "/orgs/acme", f"/api/v2/orgs/{installation.org}"
    middle = int(installation.sql(f"select max(number) / 2 from findings where org_id = '{installation.org}'"))
    scan = installation.sql(f"select id from scans where org_id = '{installation.org}' order by observed_at desc limit 1")
    cursor = installation.ask("GET", "/findings?limit=100").get("next_cursor")
    pages = {
        "Overview": of_org,
        "Overview, its figures": f"{of_org}/figures",
        "Findings": f"{of_org}/findings",
        "Findings, filtered": f"{of_org}/findings?status=open&risk_level=critical",
        "a finding": f"{of_org}/findings/{middle}",
        "Scans": f"{of_org}/scans",
        "a scan": f"{of_org}/scans/{scan}",
        "Compliance": f"{of_org}/compliance",
        "Audit log": f"{of_org}/audit-log",
        "Settings, members": f"{of_org}/settings/members",
        "Settings, state sources": f"{of_org}/settings/state-sources",
    }
    operator = {
        "Runs": "/ops/runs",
        "Runs, failed": "/ops/runs?state=failed",
        "Runs, succeeded": "/ops/runs?state=succeeded",
        "a run": f"/ops/runs/{run}",
        "Queues": "/ops/queues",
        "Schedules": "/ops/schedules",
        "Failures": "/ops/failures",
        "Chains": "/ops/chains",
    }
    questions = {
        "list findings": f"{api}/findings?limit=100",
        "list findings, next page": f"{api}/findings?limit=100&cursor={cursor}",
        "list findings, filtered": f"{api}/findings?limit=100&status=open&risk_level=critical",
        "list scans": f"{api}/scans?limit=100",
        "list audit log": f"{api}/audit-log?limit=100",
        "list packs": f"{api}/audit-exports",
        "get a pack": f"{api}/audit-exports/{export['id']}",
        "download a pack": f"{api}/audit-exports/{export['id']}/download",
    }
    return pages, operator, questions


def measure(installation, export, options, figures, say):
    person, operator = visitor.sign_in(installation, OWNER), visitor.sign_in(installation, OPERATOR)
    program = {"authorization": f"Bearer {installation.token}"}
    pages, of_operators, questions = addresses(installation, export["workflow_run_id"], export)
    for kind, headers, asked in (("page", person, pages), ("page", operator, of_operators), ("api", program, questions)):
        for name, path in asked.items():
            times = max(20, options.requests // 10) if name.startswith("download") else options.requests
            one(installation, figures, say, (kind, name, path, headers), times)
    busy = questions["list findings"], program
    found = visitor.ask(installation.url, busy[1], busy[0], options.requests * 4, at_once=16)
    figures.add("api_rate", "ours", len(found["ms"]) / found["seconds"], quiet(None), "list findings, 16 at once")
    figures.add("api_busy_p99", "ours", percentile(found["ms"], 0.99), quiet(None), "list findings, 16 at once")
    say(f"list findings, 16 at once: {len(found['ms']) / found['seconds']:.0f}/s, errors {found['errors']}")
    figures.add("first_page", "ours", first_page(installation) / 1000, quiet(None), "gzip, with everything it loads")


def one(installation, figures, say, what, times):
    kind, name, path, headers = what
    visitor.ask(installation.url, headers, path, 3)  # warms up
    watch = Watch()
    found = visitor.ask(installation.url, headers, path, times)
    given = quiet(watch)
    if found["errors"] or not found["ms"]:
        raise RuntimeError(f"{name} ({path}): {found['errors']}")
    p50, p99 = percentile(found["ms"], 0.5), percentile(found["ms"], 0.99)
    figures.add(f"{kind}_p50", "ours", p50, given, name)
    figures.add(f"{kind}_p99", "ours", p99, given, name)
    say(f"{name}: p50 {p50:.1f} ms, p99 {p99:.1f} ms, {found['bytes']:,} bytes")


def quiet(watch):
    foreign = watch.read()["foreign"] if watch else 0.0
    return {"foreign": foreign, "quiet": foreign <= QUIET}


def first_page(installation):
    """Bytes on the line of the first page that a person sees, everything that it loads included."""
    def load(path):
        request = urllib.request.Request(installation.url + path, headers={"accept-encoding": "gzip", "accept": "text/html,*/*"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            raw = answer.read()
            plain = gzip.decompress(raw) if answer.headers.get("content-encoding") == "gzip" else raw
        return len(raw), plain.decode(errors="replace")

    total, text = load("/")
    for path in set(re.findall(r'(?:src|href)="(/assets/[^"]+)"', text)):
        size, inside = load(path)
        total += size
        if path.endswith(".css"):
            base = path.rsplit("/", 1)[0]
            fonts = set(re.findall(r"url\(\"?([^\")]+\.woff2)", inside))
            total += sum(load(font if font.startswith("/") else f"{base}/{font}")[0] for font in fonts)
    return total
