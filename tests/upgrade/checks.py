"""What must hold once everybody has been stopped and started: asked of the database, of the storage, of the API and of the program.

Invariant: each check answers how much it looked at and what is wrong, and one that looked at nothing is wrong.
"""

import json
import pathlib
import time

from fleet import ask

BUILD = "compliance_pack.build"
IN_FLIGHT = f"""
    select r.id, s.seq, s.name, s.attempts, s.ended_at, r.epoch from engine.runs r join engine.steps s on s.run_id = r.id
     where r.workflow = '{BUILD}' and r.ended_at is null and s.state = 'done' order by 1, 2"""


def in_flight(fleet):
    """Of runs that are not over the steps that are: {run: {(seq, name, attempts, ended_at)}}, and each run's epoch."""
    steps, epochs = {}, {}
    for line in fleet.sql(IN_FLIGHT).splitlines():
        run, seq, name, attempts, ended_at, epoch = line.split("|")
        steps.setdefault(run, set()).add((seq, name, attempts, ended_at))
        epochs[run] = int(epoch)
    return steps, epochs


def drained(fleet, load, seconds):
    """Waits until no run is left that has not ended; what is left after that time."""
    until = time.monotonic() + seconds
    while True:
        left = fleet.sql("select id, workflow, state, coalesce(progress_step, '') from engine.runs where ended_at is null").splitlines()
        if not left or time.monotonic() > until:
            return left
        time.sleep(0.5)


def packs(fleet, load):
    """Each accepted pack was built once, and no other was."""
    wrong = []
    rows = dict(line.split("|") for line in fleet.sql("select id, status || ' ' || coalesce(error_code, '') from audit_exports").splitlines())
    query = "select detail::jsonb ->> 'export_id', count(*) from admin_audit_log where action = 'audit_export.completed' group by 1"
    told = dict(line.split("|") for line in fleet.sql(query).splitlines())
    for pack in load.packs:
        if (state := rows.get(pack, "unknown").strip()) != "done":
            wrong.append(f"the pack {pack} is {state}")
        if told.get(pack) != "1":
            wrong.append(f"the audit log tells {told.get(pack, 'never')} time(s) that {pack} was completed")
    for pack in set(rows) - set(load.packs):
        wrong.append(f"the pack {pack} was built, and its request was never accepted")
    files = [path for path in (fleet.state / "storage").rglob("*") if path.is_file()]
    for pack in load.packs:
        if (count := sum(pack in str(path) for path in files)) != 1:
            wrong.append(f"the pack {pack} has {count} files")
    return f"{len(load.packs)} packs", wrong if load.packs else ["no pack was accepted"]


def verified(fleet, load, versions, server):
    """Each pack, by `driftpack verify` of these versions, with the key that the service publishes."""
    folder, wrong = pathlib.Path(fleet.state / "downloads"), []
    folder.mkdir()
    for pack, org in load.packs.items():
        status, body = ask(server, fleet.token, "GET", f"/api/v2/orgs/{org}/audit-exports/{pack}/download")
        if status != 200:
            wrong.append(f"the pack {pack} cannot be downloaded: {status}")
            continue
        file = folder / f"{pack}.zip"
        file.write_bytes(body)
        for version in versions:
            said = fleet.call(version, "verify", str(file), "--keys-url", f"{server}/.well-known/driftpack-keys.json", "--json", codes=range(5))
            if (result := json.loads(said)["result"] if said.strip() else "no answer") != "ok":
                wrong.append(f"{pack}, by the {version} version: {result}")
    return f"{len(load.packs)} packs, by {len(versions)} versions", wrong


def chains(fleet, server):
    """Every organisation's chain, over the API."""
    wrong = []
    for org in fleet.orgs:
        status, body = ask(server, fleet.token, "GET", f"/api/v2/orgs/{org}/audit-log/verify")
        if status != 200 or json.loads(body)["status"] != "ok":
            wrong.append(f"{org}: {status} {body[:300].decode(errors='replace')}")
    entries = fleet.sql("select count(*) from admin_audit_log")
    return f"{len(fleet.orgs)} chains, {entries} entries", wrong


def doctor(fleet, version):
    """The whole installation, as `driftpack admin doctor --full` sees it."""
    try:
        fleet.call(version, "admin", "doctor", "--full", seconds=1800)
    except RuntimeError as error:
        return "everything", [str(error)]
    return "everything", []


def scans(fleet, load):
    """Each scan that was taken is there."""
    known = set(fleet.sql("select org_id || ' ' || id from scans").splitlines())
    lost = [f"the scan {scan} of {org} is lost" for org, scan in load.scans if f"{org} {scan}" not in known]
    return f"{len(load.scans)} scans", lost if load.scans else ["no scan was taken"]


def runs(fleet, left):
    """None is stuck, none failed, none lost its worker so often that it gave up."""
    wrong = [f"not over: {line}" for line in left]
    wrong += [f"failed: {line}" for line in fleet.sql("select id, workflow, error from engine.runs where state in ('failed', 'cancelled')").splitlines()]
    return f"{fleet.sql('select count(*) from engine.runs')} runs", wrong


def went_on(fleet, swap):
    """Runs that were under way at a swap: how many, how many another worker took over, and what was done again that was done."""
    steps, epochs = swap
    now = {}
    ids = ", ".join(f"'{run}'" for run in steps) or "null"
    for line in fleet.sql(f"select run_id, seq, name, attempts, ended_at from engine.steps where run_id in ({ids})").splitlines():
        run, *step = line.split("|")
        now.setdefault(run, set()).add(tuple(step))
    again = [f"{run}: the step {name} was done, and was done again" for run, done in steps.items() for _, name, *_ in done - now.get(run, set())]
    after = dict(line.split("|") for line in fleet.sql(f"select id, epoch from engine.runs where id in ({ids})").splitlines())
    taken = sum(int(after.get(run, 0)) > epoch for run, epoch in epochs.items())
    return len(steps), taken, again
