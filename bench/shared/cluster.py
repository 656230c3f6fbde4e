"""The one Postgres that everything is measured on: a cluster of its own, made for the run and removed after it.

Invariants: durable (fsync, synchronous_commit and full_page_writes on), the same settings for all, never changed between
measurements; reachable on the loopback alone; it ends with whoever started it, even when that is killed. The Postgres that
`./dev up` runs is not touched. Statistics of statements are off except while `statements` counts them.
"""

import contextlib
import hashlib
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time

OLDEST_VERSION = 15
MEMORY_MIB = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
SETTINGS = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": f"{MEMORY_MIB // 4}MB",  # as the manual of Postgres advises
    "max_connections": "300",
    "max_wal_size": "8GB",  # together with the timeout: no checkpoint but those that the bench asks for, between measurements
    "checkpoint_timeout": "1h",
    "unix_socket_directories": "",
    "listen_addresses": "127.0.0.1",
    "timezone": "UTC",
}
TOLD = (
    "server_version fsync synchronous_commit full_page_writes wal_sync_method shared_buffers max_connections max_wal_size "
    "checkpoint_timeout commit_delay autovacuum jit shared_preload_libraries"
).split()


def binaries():
    """The newest Postgres on the machine."""
    found = pathlib.Path("/usr/lib/postgresql").glob("*/bin/postgres")
    versions = sorted((int(path.parts[-3].split(".")[0]), path.parent) for path in found)
    if not versions or versions[-1][0] < OLDEST_VERSION:
        raise SystemExit(f"Postgres {OLDEST_VERSION} or later is missing: ./dev setup installs it.")
    return versions[-1][1]


class Cluster:
    def __init__(self, home, log):
        self.bin, self.log = binaries(), log
        self.home = _enterable(pathlib.Path(home))
        self.data = self.home / "data"
        self.process = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        library = self.bin.parent / "lib" / "pg_stat_statements.so"
        self.counts_statements = library.exists()

    def __enter__(self):
        shutil.rmtree(self.home, ignore_errors=True)
        self.home.mkdir(parents=True, mode=0o755)
        self.data.mkdir(mode=0o700)
        if os.geteuid() == 0:
            shutil.chown(self.data, "postgres", "postgres")
        initdb = [self.bin / "initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8"]
        with open(self.log, "w") as log:
            subprocess.run(_unprivileged(initdb), cwd="/", check=True, stdout=log, stderr=log)
        settings = dict(SETTINGS, port=self.port)
        if self.counts_statements:
            settings |= {"shared_preload_libraries": "pg_stat_statements"}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        command = _unprivileged([self.bin / "postgres", "-D", self.data, *options])
        with open(self.log, "a") as log:
            self.process = subprocess.Popen(command, cwd="/", stdout=log, stderr=log, start_new_session=True)
        self._wait_until_ready()
        if self.counts_statements:
            self.sql("create extension pg_stat_statements")
            self._track("none")
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGINT)  # Postgres' fast shutdown
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait()
        shutil.rmtree(self.home, ignore_errors=True)

    def _wait_until_ready(self):
        for _ in range(600):
            ready = [self.bin / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres"]
            if self.process.poll() is None and subprocess.run(ready).returncode == 0:
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        raise SystemExit(f"Postgres did not start; its log is {self.log}")

    def url(self, database):
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def sql(self, statement, database="postgres"):
        """What psql answers: rows as lines, columns separated by `|`."""
        command = [self.bin / "psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", self.url(database), "-c", statement]
        environment = dict(os.environ, PGOPTIONS="-c client_min_messages=warning")
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{statement}: {done.stderr.strip()}")
        return done.stdout.strip()

    def pgbench(self, script, clients, seconds, database):
        """Transactions a second that so many clients of pgbench carry out."""
        command = [self.bin / "pgbench", "-n", "-M", "prepared", "-f", script, "-c", clients, "-j", min(2, clients), "-T", seconds, self.url(database)]
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
        rate = re.search(r"^tps = ([\d.]+)", done.stdout, re.MULTILINE)
        if done.returncode or not rate:
            raise RuntimeError(f"pgbench: {done.stderr.strip()[-300:]}")
        return float(rate.group(1))

    def fresh(self, database):
        self.drop(database)
        self.sql(f'create database "{database}"')

    def drop(self, database):
        self.sql(f'drop database if exists "{database}" with (force)')

    def settings(self):
        return {name: self.sql(f"show {name}") for name in TOLD}

    def commits(self, database):
        """Transactions of a database that ended well, once its backends have gone: they hand their counts in when they go."""
        for _ in range(500):
            if self.sql(f"select count(*) from pg_stat_activity where datname = '{database}'") == "0":
                break
            time.sleep(0.02)
        return int(self.sql(f"select xact_commit from pg_stat_database where datname = '{database}'"))

    def written(self):
        """Transactions that wrote something, and bytes of write-ahead log, up to this moment."""
        query = "select pg_snapshot_xmax(pg_current_snapshot()), pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint"
        writes, wal = map(int, self.sql(query).split("|"))
        return writes, wal

    @contextlib.contextmanager
    def statements(self, database):
        """Counts the statements of a database while it is open; what it yields answers them as (calls, milliseconds, rows,
        text), the most called first."""
        self._track("top")
        self.sql("select pg_stat_statements_reset()")
        query = f"""
            select calls, total_exec_time, rows, translate(left(query, 8000), E'|\\n\\t', '   ') from pg_stat_statements
             where dbid = (select oid from pg_database where datname = '{database}') order by calls desc"""

        def counted():
            lines = [line.split("|", 3) for line in self.sql(query).splitlines()]
            return [(int(calls), float(time_ms), int(rows), " ".join(text.split())) for calls, time_ms, rows, text in lines]

        try:
            yield counted
        finally:
            self._track("none")

    def _track(self, what):
        self.sql(f"alter system set pg_stat_statements.track = '{what}'")
        self.sql("select pg_reload_conf()")
        time.sleep(0.2)  # backends read it before their next statement


def _enterable(home):
    """Where the user that runs Postgres can get at it: below the checkout, or else below /var/tmp."""
    home.parent.mkdir(parents=True, exist_ok=True)
    if os.geteuid() != 0:
        return home
    if subprocess.run(["runuser", "-u", "postgres", "--", "test", "-x", home.parent]).returncode == 0:
        return home
    return pathlib.Path("/var/tmp") / f"driftpack-bench-{hashlib.sha256(str(home).encode()).hexdigest()[:10]}"


def _unprivileged(command):
    """Postgres refuses to run as root. The signal ends it should its parent die."""
    user = ["--reuid", "postgres", "--regid", "postgres", "--init-groups"] if os.geteuid() == 0 else []
    return ["setpriv", *user, "--pdeathsig", "INT", *command]
