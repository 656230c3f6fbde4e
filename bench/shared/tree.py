"""The folder .dev/bench: what is built and installed for a bench, its logs, its lock.

Invariant: nothing outside .dev/bench is written; what is built sees nothing in the environment that would make it ask a database.
"""

import fcntl
import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Tree:
    def __init__(self):
        self.home = ROOT / ".dev" / "bench"
        self.logs = self.home / "log"
        self.logs.mkdir(parents=True, exist_ok=True)
        self.target = self.home / "target"

    def lock(self):
        """Two benches at once would tread on each other's database, and measure each other."""
        file = open(self.home / "lock", "w")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise SystemExit("Another bench is at work in this checkout; wait until it has ended.") from None
        return file

    def log(self, name):
        return self.logs / f"{name}.log"

    def run(self, command, cwd=ROOT, **environment):
        """Builds or installs something; what it says goes into the log `install`."""
        clean = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "CARGO_TARGET_DIR")}
        with open(self.log("install"), "a") as log:
            log.write(f"$ {' '.join(map(str, command))}\n")
            log.flush()
            words = [str(word) for word in command]
            subprocess.run(words, cwd=cwd, env=clean | environment, check=True, stdout=log, stderr=log)


def commit():
    done = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip() or None


def rustc():
    return subprocess.run(["rustc", "--version"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
