"""Checking a pack that is on disk.

`verify` needs nothing but the file: it is `verify_pack.py`, which lies beside this file, depends on the standard library alone, and can be
copied and run without this package. `verify_with_program` asks `driftpack verify` for a second opinion; the two share no code.
"""

import json
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from . import verify_pack
from .errors import BrokenPack


def verify(pack: str | Path, *, keys: Iterable[str] = (), against: Iterable[str | Path] = ()) -> dict[str, str]:
    """The SHA-256 of each entry but the manifest. Raises `BrokenPack`, with every fault, unless the pack is `ok`.

    `keys`: public keys that you trust, each as PEM, hex or base64, or the published list with their validity; without one the key in the
    pack is believed (trust on first use).
    `against`: earlier packs of the same organisation.
    """
    try:
        report = verify_pack.verify(pack, [key for text in keys for key in verify_pack.read_keys(text)], list(against))
    except OSError as fault:
        raise BrokenPack(f"{pack} cannot be read: {fault}") from fault
    if report.result != verify_pack.OK:
        faults = [f"{check['name']}: {check['detail']}" for check in report.checks if check["status"] not in (verify_pack.OK, verify_pack.NOTE)]
        raise BrokenPack(f"{pack} is {report.result}: " + "; ".join(faults))
    files: dict[str, str] = report.facts["files"]
    return {name: sha256 for name, sha256 in files.items() if name != verify_pack.MANIFEST}


def verify_with_program(pack: str | Path, *, program: str = "driftpack", arguments: tuple[str, ...] = ()) -> dict[str, Any]:
    """The report of `driftpack verify --json`; raises `BrokenPack` unless its result is `ok`.

    Pass `("--key", "acme.pub")` to believe no key but yours, `("--against", "older.zip")` to check continuity.
    """
    command = [program, "verify", str(pack), "--json", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1, 2, 3):
        raise RuntimeError(f"{program} verify could not do its work: {done.stderr.strip()}")
    report: dict[str, Any] = json.loads(done.stdout)
    if report["result"] != "ok":
        raise BrokenPack(f"{pack} is {report['result']}")
    return report
