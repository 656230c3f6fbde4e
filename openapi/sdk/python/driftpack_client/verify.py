"""Checking a pack that is on disk.

`verify` needs nothing but the file, and shows that every byte in it is what the manifest says. That the manifest is what the
service signed, and that the audit log continues earlier packs, is what `verify_with_program` finds out.
"""

import hashlib
import json
import re
import subprocess
import zipfile
import zlib
from pathlib import Path
from typing import Any

from .errors import BrokenPack

_LINE = re.compile(r"([0-9a-f]{64})  (\S.*)")
_MANIFEST = "MANIFEST.txt"
_MANIFEST_MAX = 1 << 20
# What is unpacked at a time, so that a pack of any size is checked in little memory.
_CHUNK = 1 << 20


def verify(pack: str | Path) -> dict[str, str]:
    """The SHA-256 of each entry, all as MANIFEST.txt has them and no entry more or less; raises `BrokenPack`."""
    try:
        with zipfile.ZipFile(pack) as archive:
            names = [entry.filename for entry in archive.infolist()]
            if len(names) != len(set(names)):
                raise BrokenPack("an entry is there twice")
            if _MANIFEST not in names:
                raise BrokenPack(f"{_MANIFEST} is missing")
            with archive.open(_MANIFEST) as manifest:
                text = manifest.read(_MANIFEST_MAX + 1)
            if len(text) > _MANIFEST_MAX:
                raise BrokenPack(f"{_MANIFEST} is larger than any")
            listed = _manifest(text)
            found = {name: _sha256(archive, name) for name in names if name != _MANIFEST}
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError, RuntimeError) as fault:
        raise BrokenPack(f"{pack} cannot be read: {fault}") from fault
    for name in listed.keys() ^ found.keys():
        raise BrokenPack(f"{name} is {'missing' if name in listed else 'not in the manifest'}")
    for name, digest in listed.items():
        if found[name] != digest:
            raise BrokenPack(f"{name} is not what the manifest says")
    return found


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


def _manifest(text: bytes) -> dict[str, str]:
    listed: dict[str, str] = {}
    for line in text.decode().splitlines():
        match = _LINE.fullmatch(line)
        if match is None or match[2] in listed:
            raise BrokenPack(f"{_MANIFEST} has a line that is none: {line!r}")
        listed[match[2]] = match[1]
    return listed


def _sha256(archive: zipfile.ZipFile, name: str) -> str:
    digest = hashlib.sha256()
    with archive.open(name) as entry:
        while chunk := entry.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
