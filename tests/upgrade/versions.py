"""Which earlier version a database can come from, and the program of that version.

Invariants: an earlier version counts only if each of its migrations is among the present ones, to the byte: no database of any other
can be brought up to date. It is built from a work tree of its own with a target folder of its own below .dev/upgrade, once.
"""

import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDERS = ("migrations", "src/engine/migrations")
HOME = ROOT / ".dev" / "upgrade"
PROGRAM = ["cargo", "build", "--locked", "--workspace", "--bin", "driftpack"]


def git(*words, cwd=ROOT):
    done = subprocess.run(["git", *words], cwd=cwd, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"git {' '.join(words[:2])}: {done.stderr.strip()}")
    return done.stdout.strip()


def is_migration(path):
    return path.endswith(".sql") and pathlib.PurePath(path).name[0].isdigit()


def migrations_of(commit):
    """Path and blob of each migration of a commit."""
    lines = (line.split(maxsplit=3) for line in git("ls-tree", "-r", commit, "--", *FOLDERS).splitlines())
    return {path: blob for _, _, blob, path in lines if is_migration(path)}


def present():
    """The same of the files as they lie there, committed or not."""
    paths = [str(path.relative_to(ROOT)) for folder in FOLDERS for path in sorted((ROOT / folder).glob("*.sql"))]
    paths = [path for path in paths if is_migration(path)]
    return dict(zip(paths, git("hash-object", "--", *paths).splitlines(), strict=True))


def compared(earlier, now):
    """Migrations that an earlier version lacks, and those that it has otherwise."""
    return sorted(set(now) - set(earlier)), sorted(path for path, blob in earlier.items() if now.get(path) != blob)


def newest_that_differs():
    """The newest commit from which there is something to migrate; without one the commit before the present one."""
    now = present()
    candidates = ["HEAD"]
    for commit in git("log", "--format=%H", "--", *FOLDERS).splitlines():
        candidates += git("rev-list", "--parents", "--max-count=1", commit).split()[1:2]
    for candidate in candidates:
        lacks, otherwise = compared(migrations_of(candidate), now)
        if lacks and not otherwise:
            return git("rev-parse", candidate)
    return git("rev-parse", "HEAD~1")


def checked(commit):
    """The full name of a commit that a database may come from, and what it lacks."""
    commit = git("rev-parse", "--verify", f"{commit}^{{commit}}")
    lacks, otherwise = compared(migrations_of(commit), present())
    if otherwise:
        raise SystemExit(
            f"{commit[:12]} has migrations that read otherwise today, so none of its databases can be brought up to date: "
            f"{', '.join(otherwise)}. The newest that can: {newest_that_differs()[:12]}"
        )
    return commit, lacks


def build(commit, say):
    """The program of a commit."""
    home = HOME / commit[:12]
    source, target = home / "src", home / "target"
    program = target / "debug" / "driftpack"
    if (home / "built").exists() and program.exists():
        return program
    if not source.exists():
        home.mkdir(parents=True, exist_ok=True)
        git("worktree", "prune")
        git("worktree", "add", "--quiet", "--detach", str(source), commit)
    if git("rev-parse", "HEAD", cwd=source) != commit or git("status", "--porcelain", cwd=source):
        raise SystemExit(f"{source} is not what {commit[:12]} was; remove it: git worktree remove --force {source}")
    seed(target)
    say(f"building {commit[:12]} (log: {home.relative_to(ROOT)}/build.log)")
    run(source, target, home / "build.log")
    (home / "built").touch()
    return program


def build_present(say):
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    say("building the present program (log: .dev/upgrade/build.log)")
    HOME.mkdir(parents=True, exist_ok=True)
    run(ROOT, target, HOME / "build.log")
    return target / "debug" / "driftpack"


def seed(target):
    """What the present build has made of third-party code is taken over: cargo knows by its fingerprints what still holds. Links suffice,
    because compilers put a new file in the place of an old one; what cargo itself writes into is copied."""
    ours = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug"
    if target.exists() or not (ours / "deps").exists():
        return
    deps = target / "debug" / "deps"
    deps.mkdir(parents=True)
    for name in (".fingerprint", "build"):
        subprocess.run(["cp", "-a", str(ours / name), str(target / "debug")], check=True)
    for file in (ours / "deps").iterdir():
        if file.suffix in (".rlib", ".rmeta", ".so"):
            link(file, deps / file.name)
        elif file.suffix == ".d":
            subprocess.run(["cp", "-a", str(file), str(deps)], check=True)


def link(file, other):
    try:
        os.link(file, other)
    except OSError:  # another file system
        subprocess.run(["cp", "-a", str(file), str(other)], check=True)


def run(source, target, log):
    """Nothing in the environment makes the build ask a database."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("DATABASE_URL", "DRIFTPACK_", "DRIFTWISE_"))}
    clean |= {"CARGO_TARGET_DIR": str(target), "SQLX_OFFLINE": "true"}
    with open(log, "w") as file:
        done = subprocess.run(PROGRAM, cwd=source, env=clean, stdout=file, stderr=file)
    if done.returncode:
        raise SystemExit(f"the build failed; its log is {log}")
