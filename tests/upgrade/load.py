"""People and pipelines at work: scans are handed in, packs requested, everything is read, all the time, at whichever server is there.

Invariants: every request is counted once, with how it ended; what a server that was told to end refuses is asked again at another one,
with the same Idempotency-Key; any other refusal is a failure.
"""

import collections
import dataclasses
import datetime
import itertools
import json
import random
import threading
import time
import urllib.error
import uuid

from fleet import ask

PER_DAY = 5  # packs that an organisation may ask for in a day
PAUSE = 0.05  # seconds between two requests of one caller
TRIES = 100
STILL = 10  # seconds without a turn for a thread that only looks at the clock
SOURCE = "upgrade"
READS = (
    "findings?limit=20",
    "findings?status=open&limit=50",
    "scans?limit=20",
    "audit-exports?limit=20",
    "audit-log?limit=50",
    "audit-log/verify",
    "state-sources",
    "members",
)


@dataclasses.dataclass(frozen=True)
class Answer:
    phase: str
    what: str
    version: str
    ended: str  # `ok`, `refused`, `reset`, `503` or why it failed
    ms: float


def outcome(error, status, is_ending, is_migrating=False):
    """How a request ended: well, in one of the ways in which a server that is told to end refuses, or not at all as it should."""
    if error is None and 200 <= status < 300:
        return "ok"
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    kind = None
    if isinstance(reason, ConnectionRefusedError):
        kind = "refused"
    elif isinstance(reason, (ConnectionResetError, ConnectionAbortedError, BrokenPipeError)):
        kind = "reset"  # RemoteDisconnected is one of them: the connection was closed before a byte of the answer came
    elif status == 503:
        kind = "503"
    # A migration and a change that wait for each other: Postgres ends one of them, and the change may be tried again.
    if kind and (is_ending or (kind == "503" and is_migrating)):
        return kind
    return f"failed: {status or repr(reason)}"


class Load:
    def __init__(self, fleet, pack_every):
        self.fleet, self.pack_every = fleet, pack_every
        self.phase, self.answers, self.failures = "", [], []
        self.packs, self.scans = {}, set()
        self.stop, self.lock = threading.Event(), threading.Lock()
        self.stood_still = []
        self.quota = itertools.product(range(PER_DAY), fleet.orgs)
        self.turn = itertools.count()
        self.threads = [threading.Thread(target=self._go, args=(work,), daemon=True) for work in (self._scan, self._scan, self._read, self._read, self._pack)]
        self.threads.append(threading.Thread(target=self._watch, daemon=True))

    def __enter__(self):
        for org in self.fleet.orgs:
            self.ask("state source", "POST", org, "state-sources", {"name": SOURCE, "kind": "s3"}, key=str(uuid.uuid4()))
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.end()

    def end(self):
        self.stop.set()
        for thread in self.threads:
            thread.join(120)

    def _go(self, work):
        while not self.stop.wait(PAUSE):
            try:
                work()
            except Exception as error:  # a fault of the caller must not look like a quiet system
                with self.lock:
                    self.failures.append(f"{work.__name__}: {error!r}")
                return

    def _watch(self):
        """A machine that is stopped looks like servers that do not answer."""
        last = time.monotonic()
        while not self.stop.wait(PAUSE):
            now = time.monotonic()
            if now - last > STILL:
                self.stood_still.append(now - last)
            last = now

    def ask(self, what, method, org, path, body=None, key=None):
        """The answer's body, from whichever server gives one."""
        for _ in range(TRIES):
            servers = self.fleet.servers()
            if not servers:
                raise RuntimeError("no server is there")
            server = random.choice(servers)
            began, status, text, error = time.monotonic(), None, b"", None
            try:
                status, text = ask(server.url, self.fleet.token, method, f"/api/v2/orgs/{org}/{path}", body, key)
            except OSError as caught:
                error = caught
            ended = outcome(error, status, server.is_ending, self.phase == "migrate")
            answer = Answer(self.phase, what, server.version, ended, (time.monotonic() - began) * 1000)
            with self.lock:
                self.answers.append(answer)
                if ended.startswith("failed"):
                    self.failures.append(f"{self.phase}: {method} {path} at the {server.version} server: {ended} {text[:300].decode(errors='replace')}")
            if ended == "ok":
                return text
            if ended.startswith("failed"):
                return None
            time.sleep(0.1)
        raise RuntimeError(f"{TRIES} times nobody took {method} {path}")

    def _scan(self):
        number = next(self.turn)
        org = self.fleet.orgs[number % len(self.fleet.orgs)]
        text = self.ask("scan", "POST", org, f"scans?state_source={SOURCE}", plan(number))
        if text is not None:
            with self.lock:
                self.scans.add((org, json.loads(text)["id"]))

    def _read(self):
        org = random.choice(self.fleet.orgs)
        done = [pack for pack, of in list(self.packs.items()) if of == org]
        paths = [*READS, *(f"audit-exports/{pack}" for pack in done)]
        self.ask("read", "GET", org, random.choice(paths))

    def _pack(self):
        following = next(self.quota, None)
        if following is None:
            raise RuntimeError("every organisation has asked for all the packs of a day: more organisations are needed")
        number, org = following
        starts, ends = self.fleet.period
        period = {"period_start": f"{starts + datetime.timedelta(days=number)}T00:00:00Z", "period_end": f"{ends}T00:00:00Z"}
        text = self.ask("pack", "POST", org, "audit-exports", period, key=str(uuid.uuid4()))
        if text is not None:
            with self.lock:
                self.packs[json.loads(text)["id"]] = org
        self.stop.wait(self.pack_every)

    def told(self):
        """By phase: answers by how they ended, and milliseconds of the good ones."""
        phases = {}
        with self.lock:
            for answer in self.answers:
                counts, took = phases.setdefault(answer.phase, (collections.Counter(), []))
                counts[answer.ended.split(":")[0]] += 1
                counts[f"{answer.what} {answer.version}"] += 1
                if answer.ended == "ok":
                    took.append(answer.ms)
        return phases


def plan(number):
    """A plan of Terraform that says of three resources each time something else, so that findings come, change and go."""
    names = ("web", "logs", "edge")
    resources = [{"address": f"aws_instance.{name}", "mode": "managed", "type": "aws_instance", "name": name, "schema_version": 1,
                  "provider_name": "registry.terraform.io/hashicorp/aws", "values": {"id": name}, "sensitive_values": {}} for name in names]
    drift = [{"address": f"aws_instance.{name}", "mode": "managed", "type": "aws_instance", "name": name,
              "provider_name": "registry.terraform.io/hashicorp/aws",
              "change": {"actions": ["update"], "before": {"id": name, "size": "a"}, "after": {"id": name, "size": f"b{number}"},
                         "after_unknown": {}, "before_sensitive": {}, "after_sensitive": {}}}
             for place, name in enumerate(names) if number >> place & 1]
    return {
        "format_version": "1.2", "terraform_version": "1.9.8", "planned_values": {"root_module": {}}, "resource_drift": drift,
        "prior_state": {"format_version": "1.0", "terraform_version": "1.9.8", "values": {"root_module": {"resources": resources}}},
        "timestamp": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "applyable": True, "complete": True, "errored": False,
    }
