"""One organisation's pack, alone in the database and among a thousand others: what it costs, and which blocks its statements touch."""

import json

import floor
import history
import packs
import profiles
from installation import DATABASE, OWNER

ALONE = profiles.Profile("alone", 30, 10_000, 3_000, 20_000, pdf=False)
SETTINGS = ("jit=off", "work_mem='64MB'", "max_parallel_workers_per_gather=0", "timezone='UTC'")
PACKS = 5


def fill(installation):
    return history.fill(installation, ALONE)


def join(installation, orgs, findings):
    """The others."""
    starts, ends = installation.period
    words = ["--orgs", str(orgs), "--findings", str(findings), "--from", starts.isoformat(), "--to", ends.isoformat(), "--email", OWNER]
    installation.say(f"making {orgs:,} organisations with {findings:,} findings each")
    made = json.loads(installation.call("dev", "crowd", *words, seconds=7200))
    installation.settle()
    return made


def measure(installation, figures, mode, say):
    """Packs of the one organisation; blocks that each statement of it touches, by name."""
    for number in range(PACKS):
        pack = packs.build(installation)
        say(f"{mode}: pack in {pack['seconds']:.2f} s")
        if number:  # the first one warms up
            figures.add("crowd_pack", "ours", pack["seconds"], pack["circumstances"], mode)
    _, provenance = packs.unpack(installation, pack["export"], installation.state / "entries")
    touched = blocks(installation, provenance)
    figures.add("crowd_blocks", "ours", sum(touched.values()), pack["circumstances"], mode)
    return pack["export"], touched


def blocks(installation, provenance):
    """Blocks of 8 KiB that each statement of a pack touches, in memory or not."""
    found = {}
    for section in provenance["sections"]:
        for query in section.get("queries") or []:
            found[query["name"]] = explained(installation, floor.asked(query))
    return found


def explained(installation, statement):
    settings = "".join(f"set {setting}; " for setting in SETTINGS)
    settings += f"set role driftpack_app; select set_config('driftpack.org_id', '{installation.org}', false); "
    lines = installation.cluster.sql(f"{settings} explain (analyze, buffers, format json) {statement}", DATABASE)
    plan = json.loads(lines[lines.index("[") :])[0]["Plan"]
    return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
