"""A whole driftpack of its own: Postgres, Redis, the API and workers, each a process, with what a bench fills it with.

Invariants: durable Postgres (`cluster`); each worker is a process of its own, so that its memory is nobody else's; everything ends
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

DATABASE, SLUG, OWNER = "bench_driftpack", "acme", "owner@acme.example"
HEADLESS_SHELL = "/usr/lib/chromium/chromium-headless-shell"  # what the program itself prefers
NEEDED = {"redis-server": "redis-server", "setpriv": "util-linux"}


def build(tree, given, say, needed=()):
    """The program: the one that was given, or one that is built for production."""
    needed = NEEDED | dict(needed)
    missing = [f"{command} (package {package})" for command, package in needed.items() if not shutil.which(command)]
    if missing:
        raise SystemExit(f"Missing on this machine: {', '.join(missing)}.")
    if given:
        return pathlib.Path(given).resolve(strict=True)
    say("building driftpack for production (log: .dev/bench/log/install.log)")
    tree.run(["cargo", "build", "--release", "--locked", "--workspace", "--bin", "driftpack"], CARGO_TARGET_DIR=str(tree.target))
    return tree.target / "release" / "driftpack"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Installation:
    """`fill` is called when the tables are there and the organisation is, before anything serves it; it answers the period that
    it has filled, as two days."""

    def __init__(self, cluster, tree, program, say, fill, pdf=False):
        self.cluster, self.tree, self.program, self.say, self.fill, self.pdf = cluster, tree, program, say, fill, pdf
        self.state = tree.home / "installation"
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
        self.end(*reversed(self.children))
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
        self.spawn("redis", redis)
        self.environment = self._environment()
        self.call("migrate")
        self.call("admin", "org", "create", "--slug", SLUG, "--plan", "enterprise")
        self.call("admin", "member", "add", "--org", SLUG, "--email", OWNER, "--role", "owner")
        self.org = self.cluster.sql(f"select id from orgs where slug = '{SLUG}'", DATABASE)
        self.period = self.fill(self)
        self.settle()
        self.spawn("serve", [self.program, "serve"])
        self.spawn("worker", [self.program, "worker"])
        self._wait_until_ready()
        self.token = self.call("dev", "token", "--email", OWNER).strip()

    def _environment(self):
        port, issuer = free_port(), free_port()
        self.url = f"http://127.0.0.1:{port}"
        database = self.cluster.url(DATABASE)
        chromium = os.environ.get("DRIFTWISE_CHROMIUM") or next(filter(os.path.isfile, [HEADLESS_SHELL]), None) or shutil.which("chromium")
        if self.pdf and not chromium:
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
            "DRIFTWISE_PDF_ENABLED": str(self.pdf).lower(),
            "DRIFTWISE_WRITES_PER_MINUTE": "1000000",  # one person asks for what thousands would
        }
        if self.pdf:
            settings["DRIFTWISE_CHROMIUM"] = chromium
        if os.geteuid() == 0:
            settings["DRIFTWISE_CHROMIUM_SANDBOX"] = "false"
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("DRIFTWISE_", "DATABASE_URL"))}
        return clean | settings

    def settle(self):
        """Autovacuum and the planner's statistics have their turn, as they have in a year."""
        self.cluster.sql("vacuum (freeze, analyze)", DATABASE)
        self.cluster.sql("checkpoint")

    def spawn(self, name, command):
        with open(self.tree.log(f"installation-{name}"), "w") as log:
            # the signal ends it should this process die
            command = ["setpriv", "--pdeathsig", "TERM", *map(str, command)]
            environment = getattr(self, "environment", None)
            self.children[name] = subprocess.Popen(command, env=environment, cwd="/", stdout=log, stderr=log)

    def end(self, *names):
        """Ends processes of these names; each finishes what it must."""
        children = [self.children.pop(name) for name in names]
        for child in children:
            child.send_signal(signal.SIGTERM)
        for child in children:
            try:
                child.wait(20)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()

    def _wait_until_ready(self):
        until = time.monotonic() + 60
        while time.monotonic() < until:
            gone = [name for name, child in self.children.items() if child.poll() is not None]
            if gone:
                raise RuntimeError(f"{gone[0]} ended; its log is .dev/bench/log/installation-{gone[0]}.log")
            try:
                with urllib.request.urlopen(f"{self.url}/readyz", timeout=5):
                    return
            except OSError:
                time.sleep(0.1)
        raise RuntimeError("the API did not become ready; its log is .dev/bench/log/installation-serve.log")

    def call(self, *words, seconds=300):
        """Runs a command of the program; what it prints."""
        command = [str(self.program), *words]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=seconds)
        if done.returncode:
            raise RuntimeError(f"driftpack {' '.join(words[:3])}: {done.stderr.strip()[-500:]}")
        return done.stdout

    def ask(self, method, path, body=None, org=None):
        """What the API answers."""
        request = urllib.request.Request(f"{self.url}/api/v2/orgs/{org or self.org}{path}", method=method)
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
        """An organisation may ask for five packs a day; a bench asks for more. What was asked for is made two days old."""
        statement = "set session_replication_role = replica; update audit_exports set requested_at = requested_at - interval '2 days'"
        self.cluster.sql(statement, DATABASE)
        script = "for _, key in ipairs(redis.call('KEYS', '*')) do if redis.call('TYPE', key).ok == 'zset' then redis.call('DEL', key) end end"
        subprocess.run(["redis-cli", "-p", str(self.redis_port), "eval", script, "0"], check=True, stdout=subprocess.DEVNULL)


def today():
    return datetime.datetime.now(datetime.timezone.utc).date()
