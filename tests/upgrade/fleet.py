"""Postgres, Redis, an identity provider, and servers and workers of two versions beside each other on one database and one storage.

Invariants: the versions share every setting but the address they listen on; a process that is told to end is marked so before the
signal goes out, because only such a one may refuse a request; everything ends with the block that uses it.
"""

import contextlib
import dataclasses
import datetime
import json
import os
import pathlib
import secrets
import shutil
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request

from installation import free_port

DATABASE, OWNER = "upgrade_driftpack", "owner@upgrade.example"
READY_WITHIN, ENDED_WITHIN = 180, 60  # seconds
DAYS = 90


@dataclasses.dataclass
class Process:
    """A server or a worker. `url` is none for a worker."""

    name: str
    version: str
    child: subprocess.Popen
    url: str | None = None
    is_ending: bool = False


class Fleet:
    def __init__(self, cluster, state, logs, programs, say):
        self.cluster, self.state, self.logs, self.programs, self.say = cluster, pathlib.Path(state), pathlib.Path(logs), programs, say
        self.processes, self.lock = {}, threading.Lock()
        self.ports = {version: free_port() for version in programs}
        self.redis_port, self.issuer_port = free_port(), free_port()
        self.began = {}

    def __enter__(self):
        shutil.rmtree(self.state, ignore_errors=True)
        shutil.rmtree(self.logs, ignore_errors=True)
        (self.state / "storage").mkdir(parents=True, mode=0o700)
        self.logs.mkdir(parents=True)
        return self

    def __exit__(self, *_):
        for process in list(self.processes.values()):
            process.child.kill()
            process.child.wait()
        with contextlib.suppress(RuntimeError):
            self.cluster.drop(DATABASE)
        shutil.rmtree(self.state, ignore_errors=True)

    def begin(self, version, orgs, findings):
        """The database as this version makes it, with organisations that have something to tell."""
        for role, options in (("driftpack_owner", "createrole createdb"), ("driftpack_app", "")):
            if self.cluster.sql(f"select count(*) from pg_roles where rolname = '{role}'") == "0":
                self.cluster.sql(f"create role {role} login {options}")
        self.cluster.fresh(DATABASE)
        self.cluster.sql(f"alter database {DATABASE} owner to driftpack_owner")
        redis = ["redis-server", "--bind", "127.0.0.1", "--port", str(self.redis_port), "--save", "", "--appendonly", "no"]
        self._spawn("redis", "", redis, {})
        self.environment = self._environment()
        self.call(version, "migrate")
        self._spawn("issuer", version, [self.programs[version], "dev", "issuer"], self.environment | self._issuer())
        today = datetime.datetime.now(datetime.timezone.utc).date()
        self.period = (today - datetime.timedelta(days=DAYS), today)
        words = ["--orgs", str(orgs), "--findings", str(findings), "--from", self.period[0].isoformat(), "--to", self.period[1].isoformat()]
        self.call(version, "dev", "crowd", *words, "--email", OWNER, seconds=3600)
        self.token = self.call(version, "dev", "token", "--email", OWNER).strip()
        self.orgs = self.sql("select id from orgs where slug like 'crowd-%' order by slug").splitlines()
        self.cluster.sql("vacuum (analyze)", DATABASE)

    def _environment(self):
        database = self.cluster.url(DATABASE)
        settings = {
            "DRIFTWISE_ENV": "development",
            # Where a balancer would stand: the same for all, and written into packs.
            "DRIFTWISE_BASE_URL": f"http://127.0.0.1:{free_port()}",
            "DRIFTWISE_DATABASE_URL": database.replace("postgres@", "driftpack_app@"),
            "DRIFTWISE_MIGRATION_DATABASE_URL": database.replace("postgres@", "driftpack_owner@"),
            "DRIFTWISE_REDIS_URL": f"redis://127.0.0.1:{self.redis_port}",
            "DRIFTWISE_API_KEY_PEPPER": secrets.token_hex(32),
            "DRIFTWISE_STORAGE_ROOT": str(self.state / "storage"),
            "DRIFTWISE_SIGNING_KEY_FILE": str(self.state / "signing.pem"),
            "DRIFTWISE_PDF_ENABLED": "false",
            "DRIFTWISE_WRITES_PER_MINUTE": "100000",
            "DRIFTWISE_LOG_FORMAT": "json",
        }
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("DRIFTWISE_", "DATABASE_URL"))}
        return clean | settings

    def _issuer(self):
        return {"DRIFTWISE_DEV_ISSUER_LISTEN": f"127.0.0.1:{self.issuer_port}"}

    def _spawn(self, name, version, command, environment, url=None):
        with open(self.logs / f"{name}.log", "a") as log:
            command = ["setpriv", "--pdeathsig", "KILL", *map(str, command)]
            child = subprocess.Popen(command, env=os.environ | environment, cwd="/", stdout=log, stderr=log)
        process = Process(name, version, child, url)
        with self.lock:
            self.processes[name] = process
        return process

    def call(self, version, *words, seconds=600, codes=(0,)):
        """Runs a command of a version's program; what it prints."""
        command = [str(self.programs[version]), *words]
        done = subprocess.run(command, env=self.environment | self._issuer(), capture_output=True, text=True, timeout=seconds)
        if done.returncode not in codes:
            raise RuntimeError(f"{version}: driftpack {' '.join(words[:3])}: {(done.stderr + done.stdout).strip()[-1500:]}")
        return done.stdout

    def sql(self, statement):
        return self.cluster.sql(statement, DATABASE)

    def start(self, version):
        """A server and a worker of this version; back when the server is ready. Requests go to it from then on."""
        url = f"http://127.0.0.1:{self.ports[version]}"
        environment = self.environment | {
            "DRIFTWISE_LISTEN": f"127.0.0.1:{self.ports[version]}",
            "DRIFTWISE_OIDC_ISSUER": f"http://127.0.0.1:{self.issuer_port}",
        }
        self._spawn(f"{version}-worker", version, [self.programs[version], "worker"], environment)
        process = self._spawn(f"{version}-serve", version, [self.programs[version], "serve"], environment)
        until = time.monotonic() + READY_WITHIN
        while time.monotonic() < until:
            if process.child.poll() is not None:
                break
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/readyz", timeout=10):
                process.url = url
                return
            time.sleep(0.1)
        raise RuntimeError(f"the {version} server did not become ready; its log is {self.logs / process.name}.log")

    def end(self, name, how=signal.SIGTERM):
        """Ends a process; it stays where requests go to until it is gone, as behind a balancer that has not noticed. Its exit code."""
        process = self.processes[name]
        if process.child.poll() is not None:
            raise RuntimeError(f"{name} ended by itself with {process.child.returncode}; its log is {self.logs / name}.log")
        process.is_ending = True
        process.child.send_signal(how)
        try:
            code = process.child.wait(ENDED_WITHIN)
        except subprocess.TimeoutExpired:
            process.child.kill()
            process.child.wait()
            raise RuntimeError(f"{name} did not end within {ENDED_WITHIN} s") from None
        finally:
            with self.lock:
                del self.processes[name]
        if how == signal.SIGTERM and code != 0:
            raise RuntimeError(f"{name} ended with {code}; its log is {self.logs / name}.log")
        return code

    def servers(self):
        with self.lock:
            return [process for process in self.processes.values() if process.url]

    def errors(self):
        """Lines of level ERROR that each process has logged."""
        found = {}
        for log in sorted(self.logs.glob("*.log")):
            lines = [line for line in log.read_text(errors="replace").splitlines() if '"ERROR"' in line or "panicked" in line]
            if lines:
                found[log.stem] = lines
        return found


def ask(url, token, method, path, body=None, key=None, patience=60):
    """Status and body of one request over a connection of its own."""
    request = urllib.request.Request(f"{url}{path}", method=method, headers={"authorization": f"Bearer {token}"})
    if key:
        request.add_header("idempotency-key", key)
    if body is not None:
        request.data = json.dumps(body).encode()
        request.add_header("content-type", "application/json")
    try:
        with urllib.request.urlopen(request, timeout=patience) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
