"""A whole driftpack of its own: Postgres, Redis, the API and the worker, each a process, with one organisation that has a history.

Invariants: durable Postgres (`cluster`); the worker is a process of its own, so that its memory is nobody else's; everything ends
and is removed with the block that uses it.
"""

import datetime
import json
import os
import pathlib
import secrets
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
DATABASE, SLUG, OWNER = "bench_pack", "acme", "owner@acme.example"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Installation:
    def __init__(self, cluster, tree, program, profile, say):
        self.cluster, self.tree, self.program, self.profile, self.say = cluster, tree, program, profile, say
        self.state = tree.home / "pack"
        self.children = {}

    def __enter__(self):
        shutil.rmtree(self.state, ignore_errors=True)
        (self.state / "storage").mkdir(parents=True, mode=0o700)
        try:
            self._begin()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for child in reversed(self.children.values()):
            child.send_signal(signal.SIGTERM)
        for child in self.children.values():
            try:
                child.wait(20)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        self.cluster.drop(DATABASE)
        shutil.rmtree(self.state, ignore_errors=True)

    def _begin(self):
        for role, options in (("driftpack_owner", "createrole"), ("driftpack_app", "")):
            if self.cluster.sql(f"select count(*) from pg_roles where rolname = '{role}'") == "0":
                self.cluster.sql(f"create role {role} login {options}")
        self.cluster.drop(DATABASE)
        self.cluster.sql(f"create database {DATABASE} owner driftpack_owner")
        self.redis_port = free_port()
        redis = ["redis-server", "--bind", "127.0.0.1", "--port", str(self.redis_port), "--save", "", "--appendonly", "no"]
        self._spawn("redis", redis)
        self.environment = self._environment()
        self.call("migrate")
        self.call("admin", "org", "create", "--slug", SLUG, "--plan", "enterprise")
        self.call("admin", "member", "add", "--org", SLUG, "--email", OWNER, "--role", "owner")
        self.org = self.cluster.sql(f"select id from orgs where slug = '{SLUG}'", DATABASE)
        self._generate()
        self._spawn("serve", [self.program, "serve"])
        self._spawn("worker", [self.program, "worker"])
        self._wait_until_ready()
        self.token = self.call("dev", "token", "--email", OWNER).strip()

    def _environment(self):
        port, issuer = free_port(), free_port()
        self.url = f"http://127.0.0.1:{port}"
        database = self.cluster.url(DATABASE)
        chromium = os.environ.get("DRIFTWISE_CHROMIUM") or shutil.which("chromium")
        if self.profile.pdf and not chromium:
            raise SystemExit("Chromium is missing, and this profile prints a PDF: ./dev setup installs it.")
        settings = {
            "DRIFTWISE_ENV": "development",
            "DRIFTWISE_LISTEN": f"127.0.0.1:{port}",
            "DRIFTWISE_BASE_URL": self.url,
            "DRIFTWISE_DATABASE_URL": database.replace("postgres@", "driftpack_app@"),
            "DRIFTWISE_MIGRATION_DATABASE_URL": database.replace("postgres@", "driftpack_owner@"),
            "DRIFTWISE_REDIS_URL": f"redis://127.0.0.1:{self.redis_port}",
            "DRIFTWISE_API_KEY_PEPPER": secrets.token_hex(32),
            "DRIFTWISE_DEV_ISSUER_LISTEN": f"127.0.0.1:{issuer}",
            "DRIFTWISE_STORAGE_ROOT": str(self.state / "storage"),
            "DRIFTWISE_SIGNING_KEY_FILE": str(self.state / "signing.pem"),
            "DRIFTWISE_PDF_ENABLED": str(self.profile.pdf).lower(),
        }
        if self.profile.pdf:
            settings["DRIFTWISE_CHROMIUM"] = chromium
        if os.geteuid() == 0:
            settings["DRIFTWISE_CHROMIUM_SANDBOX"] = "false"
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("DRIFTWISE_", "DATABASE_URL"))}
        return clean | settings

    def _generate(self):
        """The history, in which autovacuum and the planner's statistics have had their turn, as they have in a year."""
        profile = self.profile
        starts, ends = self.period = profile.period(today())
        self.say(f"generating {profile.findings:,} findings, {profile.scans:,} scans, {profile.audit_entries:,} audit entries")
        period = ["--from", starts.isoformat(), "--to", ends.isoformat()]
        sizes = ["--findings", str(profile.findings), "--state-sources", str(profile.sources)]
        self.call("dev", "generate", "--org", SLUG, *sizes, *period, seconds=3600)
        values = {"org": self.org, "entries": profile.audit_entries, "starts": starts, "ends": ends}
        psql = [self.cluster.bin / "psql", "-Xq", "-v", "ON_ERROR_STOP=1", "-d", self.cluster.url(DATABASE)]
        words = [word for name, value in values.items() for word in ("-v", f"{name}={value}")]
        subprocess.run([*psql, *words, "-f", HERE / "chain.sql"], check=True, stdout=subprocess.DEVNULL)
        self.cluster.sql("vacuum (freeze, analyze)", DATABASE)
        self.cluster.sql("checkpoint")

    def _spawn(self, name, command):
        with open(self.tree.log(f"pack-{name}"), "w") as log:
            # the signal ends it should this process die
            command = ["setpriv", "--pdeathsig", "TERM", *map(str, command)]
            environment = getattr(self, "environment", None)
            self.children[name] = subprocess.Popen(command, env=environment, cwd="/", stdout=log, stderr=log)

    def _wait_until_ready(self):
        until = time.monotonic() + 60
        while time.monotonic() < until:
            gone = [name for name, child in self.children.items() if child.poll() is not None]
            if gone:
                raise RuntimeError(f"{gone[0]} ended; its log is .dev/bench/log/pack-{gone[0]}.log")
            try:
                with urllib.request.urlopen(f"{self.url}/readyz", timeout=5):
                    return
            except OSError:
                time.sleep(0.1)
        raise RuntimeError("the API did not become ready; its log is .dev/bench/log/pack-serve.log")

    def call(self, *words, seconds=300):
        """Runs a command of the program; what it prints."""
        command = [str(self.program), *words]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=seconds)
        if done.returncode:
            raise RuntimeError(f"driftpack {' '.join(words[:3])}: {done.stderr.strip()[-500:]}")
        return done.stdout

    def ask(self, method, path, body=None):
        """What the API answers."""
        request = urllib.request.Request(f"{self.url}/api/v2/orgs/{self.org}{path}", method=method)
        request.add_header("authorization", f"Bearer {self.token}")
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("content-type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=600) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{method} {path}: {error.code} {error.read(500).decode()}") from None

    def sql(self, statement):
        return self.cluster.sql(statement, DATABASE)

    def forget_requests(self):
        """An organisation may ask for five packs a day; a bench asks for more."""
        subprocess.run(["redis-cli", "-p", str(self.redis_port), "flushall"], check=True, stdout=subprocess.DEVNULL)


def today():
    return datetime.datetime.now(datetime.timezone.utc).date()
