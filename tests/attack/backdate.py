#!/usr/bin/env python3
"""A dishonest operator with the real signing key: says that a finished pack was made on another day, and signs that.

usage: backdate.py PACK.zip KEY.pem OUT.zip 2026-04-02 [TSA_URL]

Every file agrees with every other afterwards, and the signature is right. The time stamp is the one thing that cannot be made:
the old one is kept, or, with an authority's URL, a new one is asked for.
"""

import base64
import hashlib
import json
import pathlib
import subprocess
import sys
import tempfile
import urllib.request
import zipfile

PAYLOAD_TYPE = "application/vnd.in-toto+json"
ATTESTATION, MANIFEST, STAMP = "chain-attestation.json", "MANIFEST.txt", "MANIFEST.txt.tsr"


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


def redated(files, day):
    """The same files, made on another day."""
    attestation = json.loads(files[ATTESTATION])
    provenance = json.loads(files["provenance.json"])
    for moment in {attestation["verified_at"], provenance["request"]["requested_at"]}:
        for name in ("data.json", "provenance.json", ATTESTATION):
            before = files[name]
            files[name] = before.replace(moment.encode(), (day + moment[10:]).encode())
            if name == "data.json":
                was, now = sha256(before).encode(), sha256(files[name]).encode()
                files["provenance.json"] = files["provenance.json"].replace(was, now)


def signed(files, key, folder):
    """The attestation with a signature over everything as it is now."""
    attestation = json.loads(files[ATTESTATION])
    attestation.pop("signature")
    subjects = [{"name": name, "digest": {"sha256": sha256(files[name])}}
                for name in sorted(files) if name not in (ATTESTATION, MANIFEST, STAMP)]
    kind = json.loads(base64.b64decode(json.loads(files[ATTESTATION])["signature"]["payload"]))
    statement = {"_type": kind["_type"], "subject": subjects, "predicateType": kind["predicateType"],
                 "predicate": attestation}
    body = json.dumps(statement, separators=(",", ":"), ensure_ascii=False).encode()
    (folder / "message").write_bytes(b"DSSEv1 %d %s %d " % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(body)) + body)
    openssl("pkeyutl", "-sign", "-rawin", "-inkey", key, "-in", str(folder / "message"), "-out", str(folder / "sig"))
    keyid = json.loads(files[ATTESTATION])["signature"]["signatures"][0]["keyid"]
    attestation["signature"] = {
        "payload": base64.b64encode(body).decode(),
        "payloadType": PAYLOAD_TYPE,
        "signatures": [{"keyid": keyid, "sig": base64.b64encode((folder / "sig").read_bytes()).decode()}],
    }
    return (json.dumps(attestation, indent=2, ensure_ascii=False) + "\n").encode()


def stamped(manifest, url, folder):
    (folder / "manifest").write_bytes(manifest)
    openssl("ts", "-query", "-data", str(folder / "manifest"), "-sha256", "-cert", "-out", str(folder / "query"))
    request = urllib.request.Request(url, (folder / "query").read_bytes(),
                                     {"Content-Type": "application/timestamp-query"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.read()


class Stream:
    """A file that cannot be rewound, so that sizes follow each entry as in the original."""

    def __init__(self, file):
        self.write, self.flush = file.write, file.flush


def alike(entry):
    """An entry with the time, system and rights of the original: the container is to look as if the product had written it."""
    copy = zipfile.ZipInfo(entry.filename, entry.date_time)
    for name in ("compress_type", "create_system", "create_version", "extract_version", "external_attr"):
        setattr(copy, name, getattr(entry, name))
    return copy


def main(pack, key, out, day, tsa=None):
    with zipfile.ZipFile(pack) as archive:
        entries = archive.infolist()
        files = {entry.filename: archive.read(entry) for entry in entries}
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        redated(files, day)
        files[ATTESTATION] = signed(files, key, folder)
        listed = sorted(name for name in files if name not in (MANIFEST, STAMP))
        files[MANIFEST] = "".join(f"{sha256(files[name])}  {name}\n" for name in listed).encode()
        if tsa:
            files[STAMP] = stamped(files[MANIFEST], tsa, folder)
    with open(out, "wb") as file, zipfile.ZipFile(Stream(file), "w") as archive:
        for entry in entries:
            archive.writestr(alike(entry), files[entry.filename])
            archive.getinfo(entry.filename).extra = entry.extra  # in the directory alone


if __name__ == "__main__":
    main(*sys.argv[1:])
