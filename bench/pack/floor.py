"""The floor: what stock tools need for the same. `psql` copies the answers of the very statements of the pack to CSV files, then
`sha256sum` and `zip -6` go over the entries of the pack, one after the other.

Invariant: the statements are those of `provenance.json`, with the settings under which the pack's were asked; the bytes are those
of the pack's own entries.
"""

import pathlib
import re
import shutil
import subprocess
import time

from installation import DATABASE
from machine import QUIET, Watch

SETTINGS = "-c jit=off -c work_mem=64MB -c max_parallel_workers_per_gather=0 -c synchronize_seqscans=off -c timezone=UTC"
APPEND = pathlib.Path(__file__).resolve().parent / "append.sql"
APPEND_TABLES = """
drop table if exists bench_head, bench_entry;
create table bench_head (chain int primary key, seq bigint not null, hash bytea not null);
create table bench_entry (chain int, seq bigint, hash bytea not null, canonical text not null, primary key (chain, seq));
insert into bench_head values (1, 0, sha256(''));
"""
COLUMNS = "chain, seq, id, action, actor_type, actor_id, created_at, detail, origin, outcome, prev_hash, hash, canonical"


def statements(provenance):
    """One for each entry that has rows of the database."""
    found = {}
    for section in provenance["sections"]:
        queries = section.get("queries") or []
        if section.get("rows") is not None and len(queries) == 1:
            found[section["entry"]] = asked(queries[0])
    return found


def asked(query):
    """A statement with its parameters in place: COPY takes none."""
    values = query["parameters"]
    return re.sub(r"\$\d+", lambda found: "'" + values[found.group()].replace("'", "''") + "'", query["sql"])


def pipeline(installation, provenance, entries):
    """Copies, hashes and zips; seconds of each. `entries`: the folder with the pack's entries."""
    folder = installation.state / "floor"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    watch, parts = Watch(), {}
    began = time.monotonic()
    for entry, statement in statements(provenance).items():
        with open(folder / entry, "wb") as file:
            _psql(installation, f"copy ({statement}) to stdout (format csv, header)", stdout=file)
    parts["copy"] = time.monotonic() - began
    files = sorted(path.name for path in entries.iterdir())
    for name, command in (("sha256sum", ["sha256sum", *files]), ("zip", ["zip", "-q", "-6", folder / "pack.zip", *files])):
        began = time.monotonic()
        subprocess.run(command, cwd=entries, check=True, stdout=subprocess.DEVNULL)
        parts[name] = time.monotonic() - began
    noise = watch.read()
    size = (folder / "pack.zip").stat().st_size
    shutil.rmtree(folder)
    return {
        "parts": parts,
        "seconds": sum(parts.values()),
        "zip_bytes": size,
        "circumstances": {"foreign": noise["foreign"], "quiet": noise["foreign"] <= QUIET},
    }


def chain(installation):
    """The columns of the whole chain, copied into a hash."""
    query = f"copy (select {COLUMNS} from admin_audit_log where chain = '{installation.org}' order by seq) to stdout"
    watch, began = Watch(), time.monotonic()
    hashing = subprocess.Popen(["sha256sum"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    _psql(installation, query, stdout=hashing.stdin)
    hashing.stdin.close()
    if hashing.wait():
        raise RuntimeError("sha256sum failed")
    took, noise = time.monotonic() - began, watch.read()
    return {"seconds": took, "circumstances": {"foreign": noise["foreign"], "quiet": noise["foreign"] <= QUIET}}


def appends(installation, writers, seconds):
    """Entries a second that pgbench appends to one chain over as many connections, without hashing or checking anything."""
    installation.cluster.sql(APPEND_TABLES, DATABASE)
    watch = Watch()
    rate = installation.cluster.pgbench(APPEND, writers, seconds, DATABASE)
    noise = watch.read()
    installation.cluster.sql("drop table bench_head, bench_entry", DATABASE)
    return {"rate": rate, "circumstances": {"foreign": noise["foreign"], "quiet": noise["foreign"] <= QUIET}}


def _psql(installation, statement, stdout):
    psql = [installation.cluster.bin / "psql", "-Xq", "-v", "ON_ERROR_STOP=1", "-d", installation.cluster.url(DATABASE)]
    environment = installation.environment | {"PGOPTIONS": SETTINGS}
    subprocess.run([*psql, "-f", "-"], input=f"{statement};\n".encode(), env=environment, check=True, stdout=stdout)
