#!/usr/bin/env python3
"""Checks a driftpack Compliance Pack with nothing but Python 3.9 or newer: no network, no other package, nothing unpacked to disk.

    python3 verify_pack.py pack.zip [--key FILE]... [--against OLDER.zip]... [--json]

--key      a public key that you trust: PEM, its 32 bytes in hex or base64, or the list that the service publishes, which says
           until when each was valid. Without one the key inside the pack is believed (trust on first use): then the signature
           shows that the files belong together, not who signed them.
--against  an earlier pack of the same organisation: does the audit chain still hold what that one attested?

The answer is the last line and the exit code: ok 0, broken 1, truncated 2, incomplete 3; 4: the check itself could not be done.

This file is meant to be read. It shares no code with driftpack and repeats what product page and walkthrough say, in this order:

    1  the ZIP          one form of container, names, sizes          4  the audit chain   every hash and link again
    2  the files        SHA-256 as MANIFEST.txt lists them           5  the signature     Ed25519 over all files
    3  the figures      CSV = data.json = summary = provenance       6  the time stamp    over this MANIFEST.txt, at a time that fits
                                                                     7  earlier packs     the chain was not rewritten

What `ok` does not mean: that whoever signed told the truth, that summary.pdf and index.html show the figures of data.json, or that the
time stamp is an authority's: `openssl ts -verify` says that, as step 7 of AUDIT_LOG_VERIFY.md shows.
"""

import argparse
import base64
import binascii
import csv
import hashlib
import io
import json
import re
import struct
import sys
import zlib
from datetime import datetime, timezone
from functools import lru_cache

OK, NOTE, INCOMPLETE, TRUNCATED, BROKEN = "ok", "note", "incomplete", "truncated", "broken"
EXIT = {OK: 0, BROKEN: 1, TRUNCATED: 2, INCOMPLETE: 3}

# The files of a pack, in their order. Only the PDF and the time stamp may be absent.
ENTRIES = ("summary.pdf index.html data.json coverage_monthly.csv findings.csv scans.csv remediation_sla.csv custom_rules.csv state_sources.csv "
           "chain-attestation.json audit_events.ndjson exceptions.csv controls.csv provenance.json AUDIT_LOG_VERIFY.md MANIFEST.txt "
           "MANIFEST.txt.tsr").split()
ATTESTATION, PROVENANCE, MANIFEST, EVENTS = "chain-attestation.json", "provenance.json", "MANIFEST.txt", "audit_events.ndjson"
STAMP, INDEX = "MANIFEST.txt.tsr", "index.html"
OPTIONAL = ("summary.pdf", STAMP)

# The CSV files in the order of data.json, and their columns. A letter says what a column holds: # number, @ time, ? flag, * list.
TABLES = {
    "findings": "#number id state_source_id state_source address resource_type drift_type risk_level risk_level_now *changed_attributes "
                "@detected_at @last_clean_scan_at @last_seen_at #reopen_count status resolution @resolved_at resolved_by "
                "#time_to_resolve_hours ?opened_in_period ?resolved_in_period ?open_at_start ?open_at_end #opened_count #reopened_count "
                "#resolved_count #accepted_count #false_positive_count",
    "scans": "id state_source_id status tool tool_version @observed_at @ingested_at #resources_total #drifted #missing #extra "
             "#noise_suppressed #serial lineage triggered_by ci_repository ci_branch ci_commit ci_run_url ci_pull_request error ?late",
    "coverage_monthly": "month #sources_in_scope #sources_with_complete_scan #scope_coverage_pct #scans_expected #scans_done #scans_partial "
                        "#scans_failed #longest_gap_hours #resources_checked #resources_managed #iac_coverage_pct #resources_compared "
                        "#drifted #drift_pct ?partial_month",
    "remediation_sla": "risk_level #open_at_start #opened #reopened #resolved #accepted #false_positive #open_at_end "
                       "#mean_hours_to_resolve #median_hours_to_resolve #p90_hours_to_resolve #max_hours_to_resolve "
                       "#oldest_open_age_hours #mean_open_age_hours #sla_target_hours #within_sla #overdue_open",
    "custom_rules": "id name resource_pattern attribute_pattern drift_type risk_level reason ?enabled #version changed_by @changed_at",
    "state_sources": "id name kind location #expected_scan_interval_hours ?active #version changed_by @changed_at",
    "exceptions": "kind reference subject #count who @when why",
    "controls": "control_id framework title entry strength why",
}
COLUMNS = {name: [(c.lstrip("#@?*"), c[0] if c[0] in "#@?*" else "") for c in text.split()] for name, text in TABLES.items()}
LEVELS = ["critical", "high", "medium", "low"]
ROLL = ["open_at_start", "opened", "reopened", "resolved", "accepted", "false_positive", "open_at_end"]

# More than an honest pack has is not read.
ENTRY_MAX, TOTAL_MAX, ITEM_MAX, RATIO, DENSE_FREE = 64 << 30, 256 << 30, 32 << 20, 400, 4 << 20
CHUNK = 1 << 18


class Fault(Exception):
    """Something that is not as it must be, in plain words."""


def need(holds, fault):
    if not holds:
        raise Fault(fault)


class Report:
    def __init__(self):
        self.checks, self.facts, self.watched = [], None, {}

    def put(self, name, status, detail):
        detail = "".join(c if c.isprintable() else "\\u{%x}" % ord(c) for c in detail)
        self.checks.append({"name": name, "status": status, "detail": detail[:600]})

    def require(self, holds, name, detail):
        if not holds:
            self.put(name, BROKEN, detail)

    def done(self, name, detail):
        """Passed, unless something was said about it before."""
        if not any(check["name"] == name for check in self.checks):
            self.put(name, OK, detail)

    @property
    def result(self):
        found = {check["status"] for check in self.checks}
        return next((status for status in (BROKEN, TRUNCATED, INCOMPLETE) if status in found), OK)


# ── 1  the ZIP ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

class Entry:
    def __init__(self, name, crc, packed, size):
        self.name, self.crc, self.packed, self.size, self.offset = name, crc, packed, size, 0


def dos_time(at):
    t = datetime.fromtimestamp(at, timezone.utc)
    return (t.hour << 11 | t.minute << 5 | t.second // 2, (t.year - 1980) << 9 | t.month << 5 | t.day)


def local_header(entry, at):
    return struct.pack("<4s3H2H3L2H", b"PK\3\4", 20, 8, 8, *dos_time(at), 0, 0, 0, len(entry.name), 0) + entry.name


def descriptor(entry):
    wide = max(entry.packed, entry.size) >= 0xFFFFFFFF
    return struct.pack("<4sL2Q" if wide else "<4s3L", b"PK\7\x08", entry.crc, entry.packed, entry.size)


def directory(entries, at, start):
    """The directory and its end as driftpack writes them: names, sizes, check sums and one time decide every byte."""
    low, out, large_file = 0xFFFFFFFF, b"", start >= 0xFFFFFFFF
    for e in entries:
        large = [n for n in (e.size, e.packed, e.offset) if n >= low]
        version, large_file = (45 if large else 20), large_file or bool(large)
        extra = struct.pack("<2HBL", 0x5455, 5, 1, at)
        if large:
            extra += struct.pack("<2H%dQ" % len(large), 1, 8 * len(large), *large)
        out += struct.pack("<4s4H2H3L5H2L", b"PK\1\2", 3 << 8 | version, version, 8, 8, *dos_time(at), e.crc, min(e.packed, low),
                           min(e.size, low), len(e.name), len(extra), 0, 0, 0, 0o644 << 16, min(e.offset, low)) + e.name + extra
    size, count = len(out), len(entries)
    if large_file:
        out += struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, size, start)
        out += struct.pack("<4sLQL", b"PK\6\7", 0, start + size, 1)
    return out + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, min(size, low), min(start, low), 0)


def open_zip(file, report):
    """The entries of the ZIP and their time. None: nothing can be read. Faults go into the report."""
    length = file.seek(0, 2)
    tail = read_at(file, max(0, length - 65557), 65557)
    found = tail.rfind(b"PK\5\6")
    if found < 0 or len(tail) - found < 22:
        report.put("archive", TRUNCATED, "the file has no ZIP directory at its end: it was cut off, or is no ZIP")
        return None
    try:
        need(len(tail) - found == 22 and tail.endswith(b"\0\0"), "there are bytes behind the ZIP, or a comment")
        entries, at = walk(file, length)
    except (Fault, struct.error, ValueError, OverflowError, OSError) as fault:
        report.put("archive", BROKEN, f"it is not the file that driftpack wrote ({fault}); ask for the original file")
        return None
    names = [entry.name.decode("latin-1") for entry in entries]
    places = [ENTRIES.index(name) if name in ENTRIES else -1 for name in names]
    for name in [n for n in names if n not in ENTRIES]:
        report.put("names", BROKEN, f"«{name[:100]}» does not belong into a pack")
    report.require(len(set(names)) == len(names), "names", "two entries have the same name")
    report.require(places == sorted(places), "names", "the entries are not in the order of a pack")
    for name in [n for n in ENTRIES if n not in names and n not in OPTIONAL]:
        report.put("names", INCOMPLETE, f"{name} is not there")
    readable, total = {}, 0
    for name, entry in zip(names, entries):
        total += entry.size
        if entry.size > min(ENTRY_MAX, max(DENSE_FREE, entry.packed * RATIO)) or total > TOTAL_MAX:
            report.put("limits", BROKEN, f"{name} unpacks from {entry.packed} to {entry.size} bytes; it is not read")
        elif name in ENTRIES and name not in readable:
            readable[name] = entry
    report.done("archive", "a plain ZIP, as driftpack writes it: nothing before, between or after its entries")
    report.done("names", f"{len(names)} entries, each name known, plain and used once")
    report.done("limits", "no entry is larger or denser than an honest one")
    return readable, at


def walk(file, length):
    """Reads the directory, writes the container anew from what it says, and compares every byte that is not packed data."""
    end = read_at(file, length - 22, 22)
    size, start = struct.unpack("<2L", end[12:20])
    behind = length - 22
    if 0xFFFFFFFF in (size, start) or read_at(file, max(0, behind - 20), 4) == b"PK\6\7":
        behind -= 76
        need(behind > 0, "its directory lies outside of it")
        size, start = struct.unpack("<2Q", read_at(file, behind + 40, 16))
    need(start + size == behind and size <= 1 << 20, "its directory is not at its end")
    raw, entries, position, offset, at = read_at(file, start, length - start), [], 0, 0, 0
    while position < size:
        fields = struct.unpack("<4s4H2H3L5H2L", raw[position:position + 46])
        crc, packed, unpacked, name_len, extra_len = fields[7:12]
        name = raw[position + 46:position + 46 + name_len]
        extra = raw[position + 46 + name_len:position + 46 + name_len + extra_len]
        wide = iter(struct.unpack("<%dQ" % ((len(extra) - 13) // 8), extra[13:])) if len(extra) > 13 else iter(())
        unpacked = next(wide, unpacked) if unpacked == 0xFFFFFFFF else unpacked
        packed = next(wide, packed) if packed == 0xFFFFFFFF else packed
        if not entries:
            at = struct.unpack("<L", extra[5:9])[0]
        entry = Entry(name, crc, packed, unpacked)
        entry.offset = offset
        entries.append(entry)
        offset += 30 + len(name) + packed + len(descriptor(entry))
        position += 46 + name_len + extra_len
        need(offset <= start, "its entries are longer than it is")
    need(offset == start, "there are bytes before the directory that belong to no entry")
    need(raw == directory(entries, at, start), "its directory has other fields")
    for entry in entries:
        head, tail = local_header(entry, at), descriptor(entry)
        need(read_at(file, entry.offset, len(head)) == head, "an entry has another header")
        need(read_at(file, entry.offset + len(head) + entry.packed, len(tail)) == tail, "an entry has another end")
        entry.data = entry.offset + len(head)
    return entries, at


def read_at(file, at, size):
    file.seek(at)
    return file.read(size)


# ── 2  the files ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

class Unpacked(io.RawIOBase):
    """One file, unpacked as it is read; hashes and counts on the way, and accepts neither more nor less than the ZIP says."""

    def __init__(self, file, entry):
        self.file, self.entry, self.at, self.left = file, entry, entry.data, entry.packed
        self.inflate, self.sha, self.crc, self.size, self.lines = zlib.decompressobj(-15), hashlib.sha256(), 0, 0, 0

    def readable(self):
        return True

    def readinto(self, buffer):
        while True:
            packed = self.inflate.unconsumed_tail
            if not packed and self.left and not self.inflate.eof:
                packed = read_at(self.file, self.at, min(CHUNK, self.left))
                self.at, self.left = self.at + len(packed), self.left - len(packed)
            data = b"" if self.inflate.eof else self.inflate.decompress(packed, len(buffer))
            if data or self.inflate.eof or not (packed or self.left):
                break
        if not data:
            need(self.inflate.eof and not self.left and not self.inflate.unused_data, "there are bytes behind the end of its packed data")
            need((self.size, self.crc) == (self.entry.size, self.entry.crc), "it has another size or CRC-32 than the ZIP says")
        self.sha.update(data)
        self.crc, self.size, self.lines = zlib.crc32(data, self.crc), self.size + len(data), self.lines + data.count(b"\n")
        need(self.size <= self.entry.size, "it unpacks to more than the ZIP says")
        buffer[:len(data)] = data
        return len(data)


class Pack:
    """What was read of a pack. None: not there, or not readable; then the report says so."""

    def __init__(self):
        self.files, self.at = {}, None
        self.attestation = self.provenance = self.data = self.events = self.stamp = None
        self.tables, self.counted = {}, Counted()


def read_files(file, entries, report, watch):
    pack = Pack()
    order = [MANIFEST, ATTESTATION, PROVENANCE]
    listed = None
    for name in order + [n for n in ENTRIES if n not in order]:
        if name not in entries:
            continue
        unpacked = Unpacked(file, entries[name])
        stream = io.BufferedReader(unpacked, CHUNK)
        check, found = "archive", None
        try:
            if name == MANIFEST:
                found = listed = whole(stream)
            elif name == ATTESTATION:
                check, raw = "attestation", whole(stream)
                pack.attestation = read_attestation(raw)
            elif name == PROVENANCE:
                check, raw = "provenance", whole(stream)
                pack.provenance = shaped(parse(raw), PROVENANCE_SHAPE, "")
            elif name == "data.json":
                check, pack.data = "data", read_data(stream)
            elif name == EVENTS and pack.attestation:
                check = "chain_excerpt"
                pack.events = read_events(stream, pack.attestation, watch)
            elif name == EVENTS:
                report.put("chain_excerpt", INCOMPLETE, "the excerpt cannot be read without a readable chain-attestation.json")
            elif name.endswith(".csv"):
                check = "tables"
                rows, digest, rendered = read_table(stream, name[:-4], pack.counted)
                drain(stream)
                need(unpacked.sha.hexdigest() == rendered, "it has other line ends or quotes, or a mark at its beginning")
                pack.tables[name] = rows, digest
            elif name == STAMP:
                check, pack.stamp = "time_stamp", stream.read(STAMP_MAX + 1)
            elif name == "summary.pdf":
                need(stream.read(5) == b"%PDF-", "it is no PDF")
        except (Fault, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError, csv.Error) as fault:
            report.put(check, BROKEN, f"{name}: {fault if isinstance(fault, Fault) else 'it is not readable: ' + repr(fault)}")
        except zlib.error:
            pass  # said below
        try:
            drain(stream)
            pack.files[name] = unpacked
        except (Fault, ValueError, zlib.error) as fault:
            report.put("archive", BROKEN, f"{name} could not be read to its end: {fault}")
    check_manifest(pack, listed, report)
    return pack


def whole(stream):
    raw = stream.read(ITEM_MAX + 1)
    need(len(raw) <= ITEM_MAX, "it is larger than any")
    return raw


def drain(stream):
    while stream.read(CHUNK):
        pass


def check_manifest(pack, raw, report):
    if raw is None:
        return report.put("manifest", INCOMPLETE, "there is no readable MANIFEST.txt")
    listed, last = {}, ""
    for line in raw.decode("latin-1").split("\n")[:-1] if raw.endswith(b"\n") else [""]:
        match = re.fullmatch(r"([0-9a-f]{64})  ([A-Za-z0-9][A-Za-z0-9_.-]*)", line)
        if not match or match[2] <= last:
            return report.put("manifest", BROKEN, f"MANIFEST.txt has a line that is none, twice, or out of order: «{line[:100]}»")
        last = match[2]
        listed[last] = match[1]
    # Neither the manifest itself, nor what was made over it.
    there = set(pack.files) - {MANIFEST, STAMP}
    for name in sorted(set(listed) ^ there):
        report.put("manifest", BROKEN, f"{name} is {'listed, and should not be' if name in listed else 'there, and not listed'}"
                   if name in pack.files else f"{name} is listed, and cannot be read")
    for name in sorted(set(listed) & there):
        actual = pack.files[name].sha.hexdigest()
        report.require(actual == listed[name], "manifest", f"{name} was changed: SHA-256 {actual}, listed {listed[name]}")
    report.done("manifest", f"{len(listed)} files, each with the listed SHA-256")


# ── JSON: each member once, no NaN, nothing that another reader could read otherwise ─────────────────────────────────────────────────

def once(pairs):
    found = dict(pairs)
    need(len(found) == len(pairs), "a member is there twice")
    return found


def no_constant(word):
    raise Fault(f"{word} is no number")


DECODER = json.JSONDecoder(object_pairs_hook=once, parse_constant=no_constant)


def parse(raw):
    text = raw.decode("utf-8")
    need(not text.startswith("\ufeff"), "it begins with a byte order mark")
    value, end = DECODER.raw_decode(text, len(text) - len(text.lstrip(" \t\r\n")))
    need(not text[end:].strip(" \t\r\n"), "there is something behind its end")
    return clean(value)


def clean(value, depth=0):
    """Refuses texts that cannot be written down (halves of characters) and numbers that are none."""
    need(depth < 100, "it is nested too deeply")
    if isinstance(value, str):
        value.encode("utf-8")
    elif isinstance(value, float):
        need(abs(value) < float("inf"), "a number is too large")
    elif isinstance(value, dict):
        for key, member in value.items():
            clean(key), clean(member, depth + 1)
    elif isinstance(value, list):
        for member in value:
            clean(member, depth + 1)
    return value


# Digits of other scripts would be digits to \d.
TIME = re.compile(r"(([0-9]{4}-[0-9]{2}-[0-9]{2})T(?:[01][0-9]|2[0-3])(?::[0-5][0-9]){2})(?:\.([0-9]{1,9}))?Z")


@lru_cache(maxsize=100_000)
def day(text):
    return datetime.strptime(text, "%Y-%m-%d")


def moment(text):
    """A UTC time as a text that sorts: nine digits of a second."""
    match = TIME.fullmatch(text if isinstance(text, str) else "")
    need(match, f"{str(text)[:40]!r} is not a UTC time")
    day(match[2])
    return match[1] + "." + (match[3] or "").ljust(9, "0")


def seconds(text):
    return int(datetime.strptime(moment(text)[:19] + "+0000", "%Y-%m-%dT%H:%M:%S%z").timestamp())


def count(value):
    need(type(value) is int and 0 <= value < 1 << 64, f"{str(value)[:40]} is not a count")
    return value


def integer(value):
    need(type(value) is int and -(1 << 63) <= value < 1 << 63, f"{str(value)[:40]} is not a whole number")
    return value


def hours(value):
    need(type(value) in (int, float), f"{str(value)[:40]} is not a number")
    return float(value)


def uuid(value):
    need(isinstance(value, str) and re.fullmatch("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", value), "an id is none")
    return value


def sha(value):
    need(isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value), "a hash is not 64 lower-case hex digits")
    return value


class Maybe:
    def __init__(self, shape):
        self.shape = shape


def one_of(*words):
    def known(value):
        need(isinstance(value, str) and value in words, f"{str(value)[:40]!r} is none of {', '.join(words)}")
    return known


ROLL_SHAPE = {name: count for name in ROLL}
QUERY_SHAPE = {"name": str, "sql": str, "sql_sha256": str, "parameters": dict}
RUN_SHAPE = {"first": Maybe(integer), "last": Maybe(integer), "missing": list, "missing_total": count}
PERIOD_SHAPE = {"start": moment, "end": moment}
PLAN, ROLE = one_of("free", "team", "enterprise"), one_of("viewer", "member", "admin", "owner")
PROVENANCE_SHAPE = {
    "schema": str, "product": {"name": str, "version": str, "build": str, "base_url": str, "environment": str},
    "org": {"id": uuid, "slug": str, "name": str}, "plan": {"plan": PLAN, "since": moment, "window_days": Maybe(count)},
    "request": {"export_id": uuid, "requested_by": uuid, "role": ROLE, "auth_method": str, "request_id": Maybe(str), "requested_at": moment},
    "period": PERIOD_SHAPE, "period_bounds": str,
    "snapshot": {"id": str, "taken_at": moment, "wal_lsn": Maybe(str), "migration": str, "server_version": str, "installation": str,
                 "isolation": str},
    "attempt": count, "build": {"workflow": str, "run_id": uuid, "read_at": moment},
    "sections": [{"entry": str, "queries": [QUERY_SHAPE], "rows": Maybe(count), "bytes": count, "sha256": str, "min": Maybe(str), "max": Maybe(str)}],
    "control_totals": {"findings": count, "roll_forward": ROLL_SHAPE, "scans_done": count, "scans_partial": count, "scans_failed": count,
                       "audit_entries": count},
    "tie_out": {"levels": {level: Maybe(ROLL_SHAPE) for level in LEVELS}, "checks": [{"name": str, "reported": integer, "counted": integer}]},
    "sequence_gaps": {"queries": [QUERY_SHAPE], "finding_numbers": RUN_SHAPE, "audit_seq": RUN_SHAPE},
    "exclusions": [{"what": str, "why": str, "count": Maybe(count), "listed_in": Maybe(str)}],
    "access": {"may_request": [ROLE], "may_download": [ROLE], "logic": str},
    "changes": {"queries": [QUERY_SHAPE], "actions": [{"action": str, "entries": count, "first_seq": integer, "last_seq": integer}]},
    "signing_key": Maybe({"kid": str, "alg": str, "public_key": str, "pem": str}), "time_stamp_authority": Maybe(str),
}
POSITION_SHAPE = {"seq": integer, "hash_hex": str}
ATTESTATION_SHAPE = {
    "schema": str, "chain": str, "canonical_version": str, "verified_at": moment, "status": str, "checked": count, "head_seq": integer,
    "head_hash_hex": str, "genesis_hash_hex": str, "period": {"first_seq": Maybe(integer), "last_seq": Maybe(integer)},
    "requested": POSITION_SHAPE, "previous_attestations": [{"export_id": uuid, **POSITION_SHAPE}], "verify_url": str,
    "signature": Maybe({"payload": str, "payloadType": str, "signatures": [{"keyid": str, "sig": str}]}),
}


def shaped(value, shape, path):
    """The value, if it has exactly the members of the shape, each of the right kind."""
    if isinstance(shape, Maybe):
        return None if value is None else shaped(value, shape.shape, path)
    if isinstance(shape, dict):
        need(isinstance(value, dict), f"{path or 'it'} is no object")
        extra = [key for key in value if key not in shape]
        need(not extra, f"{path}.{extra[0] if extra else ''} does not belong there")
        for key, inner in shape.items():
            need(key in value or isinstance(inner, Maybe), f"{path}.{key} is missing")
            shaped(value.get(key), inner, f"{path}.{key}")
    elif isinstance(shape, list):
        need(isinstance(value, list), f"{path} is no list")
        for item in value:
            shaped(item, shape[0], path)
    elif isinstance(shape, type):
        need(isinstance(value, shape), f"{path} is of another kind")
    else:
        shape(value)
    return value


# ── 3  the figures ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────

FORMULA = re.compile("'*[=+\\-@\t\r\uff1d\uff0b\uff0d\uff20]")


def typed(kind, cell):
    """The value of a CSV cell, in the form in which data.json is compared with it."""
    if cell == "":
        return None
    if kind in ("", "*"):
        raw = cell[1:] if cell.startswith("'") and FORMULA.match(cell[1:]) else cell
        need(("'" + raw if FORMULA.match(raw) else raw) == cell, "is text that a spreadsheet would run as a formula")
        return raw
    if kind == "#":
        if re.fullmatch(r"[+-]?[0-9]+", cell) and -(1 << 63) <= int(cell) < 1 << 63:
            return int(cell)
        need(re.fullmatch(r"-?([0-9]+\.?[0-9]*|\.[0-9]+)", cell) and len(cell) < 400, "is not a number")
        return float(cell)
    if kind == "@":
        need(re.fullmatch(r".{19}\.[0-9]{6}Z", cell), "is not a UTC time with six digits")
        moment(cell)
        return cell
    need(cell in ("true", "false"), "is neither true nor false")
    return cell == "true"


class Counted:
    """What is counted again from the rows."""

    def __init__(self):
        self.levels = {level: [0] * 7 for level in LEVELS}
        self.reported, self.months, self.sla, self.scans = {}, [], [], {}
        self.exceptions, self.active, self.last_number = {}, 0, 0

    def row(self, table, row):
        if table == "findings":
            number = integer(row["number"])
            need(number > self.last_number, f"finding {number} is a repetition or out of order")
            self.last_number = number
            need(row["open_at_start"] is not None and row["open_at_end"] is not None, "a flag is missing")
            roll = [int(row["open_at_start"])] + [count(row[k + "_count"]) for k in ROLL[1:6]] + [int(row["open_at_end"])]
            need(row["risk_level"] in LEVELS, "its risk_level is unknown")
            need(ties(roll) and roll[1] <= 1, f"finding {number} does not tie")
            self.levels[row["risk_level"]] = [count(a + b) for a, b in zip(self.levels[row["risk_level"]], roll)]
            self.total()
        elif table == "remediation_sla":
            level, roll = row["risk_level"], [count(row[k]) for k in ROLL]
            need(level in LEVELS and level not in self.reported, f"{level} is unknown, or there twice")
            need(ties(roll), f"the roll-forward of {level} does not add up")
            self.reported[level] = roll
            self.sla.append(row)
        elif table == "scans":
            need(row["observed_at"] and row["status"] in ("done", "partial", "failed"), "it has no time or status")
            month = self.scans.setdefault(row["observed_at"][:7], dict(done=0, partial=0, failed=0))
            month[row["status"]] += 1
        elif table == "coverage_monthly":
            self.months.append(row)
        elif table == "exceptions":
            kind, more = row["kind"], count(row["count"])
            add = more if kind in ("noise_rule", "ignored_by_custom_rule") else 1
            self.exceptions[kind] = self.exceptions.get(kind, 0) + add
        elif table == "state_sources":
            need(row["active"] is not None, "active is neither true nor false")
            self.active += row["active"]
        need(len(self.months) <= 2400 and len(self.sla) <= 2400, "it has more rows than any pack")

    def total(self):
        return [count(sum(roll)) for roll in zip(*self.levels.values())]


def ties(roll):
    start, opened, reopened, resolved, accepted, false_positive, end = roll
    return start + opened + reopened == resolved + accepted + false_positive + end and start <= (1 << 64) and end >= 0


SPECIAL = re.compile('[",\r\n]')


def read_table(stream, table, counted):
    """The rows of a CSV: their number, a digest of their values, and the SHA-256 of the one way to write them."""
    csv.field_size_limit(ITEM_MAX)
    columns, digest, rendered, rows = COLUMNS[table], hashlib.sha256(), hashlib.sha256(), 0
    text = io.TextIOWrapper(stream, "utf-8", newline="\n")
    try:
        for number, cells in enumerate(csv.reader(lines(text), strict=True)):
            rendered.update((",".join('"' + c.replace('"', '""') + '"' if SPECIAL.search(c) else c for c in cells) + "\n").encode())
            need(len(cells) == len(columns), f"row {number} has {len(cells)} cells")
            if number == 0:
                need(cells == [name for name, _ in columns], "its header is not the published one")
                continue
            rows, row = number, {}
            for (name, kind), cell in zip(columns, cells):
                try:
                    row[name] = typed(kind, cell)
                except Fault as fault:
                    raise Fault(f"row {number}: {name} {fault}") from None
            digest.update(repr(list(row.values())).encode())
            counted.row(table, row)
        need(rendered.digest() != hashlib.sha256().digest(), "it has no header")
    finally:
        text.detach()
    return rows, digest.hexdigest(), rendered.hexdigest()


def lines(text):
    while line := text.readline(ITEM_MAX):
        need(len(line) < ITEM_MAX, "a line is larger than any")
        yield line


class Stream:
    """A JSON document that is read value by value, so that a million rows need no more memory than one."""

    def __init__(self, stream):
        self.text, self.buffer, self.at, self.more = io.TextIOWrapper(stream, "utf-8", newline=""), "", 0, True

    def fill(self):
        chunk = self.text.read(max(CHUNK, len(self.buffer) - self.at)) if self.more else ""
        self.more = bool(chunk)
        self.buffer, self.at = self.buffer[self.at:] + chunk, 0
        need(len(self.buffer) <= ITEM_MAX, "one value is larger than any")
        return self.more

    def peek(self):
        while True:
            while self.at < len(self.buffer) and self.buffer[self.at] in " \t\r\n":
                self.at += 1
            if self.at < len(self.buffer):
                return self.buffer[self.at]
            if not self.fill():
                return ""

    def take(self, character):
        need(self.peek() == character, f"{character!r} is missing")
        self.at += 1

    def value(self):
        self.peek()
        while True:
            try:
                value, end = DECODER.raw_decode(self.buffer, self.at)
                if end < len(self.buffer) or not self.fill():
                    break
            except json.JSONDecodeError as fault:
                need(self.fill(), f"it is no JSON: {fault.msg}")
        self.at = end
        return clean(value)

    def name(self, expected, first):
        self.take("{" if first else ",")
        need(self.value() == expected, f"the member {expected} is not at its place")
        self.take(":")


def read_data(stream):
    """data.json: its members in their order, and of each section the number of rows and the digest of their values."""
    json_stream, data = Stream(stream), {}
    try:
        for member in ["schema", "generated_at", "org", "period", "summary", *TABLES, "audit_log", "chain"]:
            json_stream.name(member, member == "schema")
            if member not in TABLES:
                data[member] = json_stream.value()
                need(member != "schema" or data["schema"] == "driftpack.data/v1", "its schema is not one this verifier knows")
                continue
            rows, digest = 0, hashlib.sha256()
            json_stream.take("[")
            while json_stream.peek() != "]":
                if rows:
                    json_stream.take(",")
                digest.update(repr(json_row(member, json_stream.value())).encode())
                rows += 1
            json_stream.take("]")
            data[member] = rows, digest.hexdigest()
        json_stream.take("}")
        need(json_stream.peek() == "", "there is something behind its end")
    finally:
        json_stream.text.detach()
    moment(data["generated_at"])
    shaped(data["org"], SUMMARY_SHAPE["org"], "org")
    shaped(data["period"], PERIOD_SHAPE, "period")
    shaped(data["audit_log"], {"first_seq": Maybe(integer), "last_seq": Maybe(integer), "entries": count}, "audit_log")
    shaped(data["chain"], {"chain": str, "canonical_version": str, "head_seq": integer, "head_hash_hex": str}, "chain")
    data["summary"] = read_summary(data["summary"])
    return data


def json_row(table, row):
    """The values of a row, in the form in which the CSV is compared with it."""
    need(isinstance(row, dict) and list(row) == [name for name, _ in COLUMNS[table]], f"a row of {table} has other members")
    values = []
    for name, kind in COLUMNS[table]:
        value = row[name]
        if value is None:
            pass
        elif kind == "*":
            need(isinstance(value, list) and all(isinstance(part, str) for part in value), f"{table}.{name} is no list of texts")
            value = "; ".join(value) or None
        elif kind == "?":
            need(isinstance(value, bool), f"{table}.{name} is neither true nor false")
        elif kind == "#":
            need(type(value) in (int, float), f"{table}.{name} is no number")
            if type(value) is int and not -(1 << 63) <= value < 1 << 63:
                need(not 0 <= value < 1 << 64 and abs(value) < 1 << 1023, f"{table}.{name} is too large")
                value = float(value)
        else:
            need(isinstance(value, str) and value, f"{table}.{name} is no text")
        values.append(value)
    return values


RATIO_SHAPE = {"numerator": count, "denominator": count}
SPREAD_SHAPE = {"count": count, "mean": Maybe(hours), "median": Maybe(hours), "p90": Maybe(hours), "max": Maybe(hours)}
SUMMARY_SHAPE = {
    "org": {"id": uuid, "slug": str, "name": str, "plan": PLAN}, "period": PERIOD_SHAPE, "generated_at": moment,
    "headline": {"findings_in_period": count, **ROLL_SHAPE, "scans_done": count, "scans_partial": count, "scans_failed": count, "sources": count,
                 "longest_gap_hours": Maybe(hours), "hours_to_resolve": SPREAD_SHAPE, "within_sla": RATIO_SHAPE, "scope_coverage": RATIO_SHAPE,
                 "cadence": RATIO_SHAPE},
    "coverage": [{"month": str, "partial_month": bool, "scope": RATIO_SHAPE, "scans_expected": Maybe(count), "scans_done": count,
                  "scans_partial": count, "scans_failed": count, "longest_gap_hours": Maybe(hours), "iac": RATIO_SHAPE, "drift": RATIO_SHAPE}],
    "sla": [{"risk_level": str, **ROLL_SHAPE, "hours_to_resolve": SPREAD_SHAPE, "oldest_open_hours": Maybe(hours),
             "mean_open_hours": Maybe(hours), "target_hours": count, "within_sla": RATIO_SHAPE, "overdue_open": count}],
    "open_monthly": [{"month": str, "partial_month": bool, "levels": {level: Maybe(ROLL_SHAPE) for level in LEVELS}}],
    "top_risks": [{"number": integer, "risk_level": one_of(*LEVELS), "drift_type": one_of("missing", "extra", "changed"), "address": str,
                   "resource_type": str, "state_source": str, "changed_attributes": [str], "open_since": moment, "open_hours": hours}],
    "gaps": [{"state_source": str, "from": moment, "to": moment, "hours": hours, "expected_interval_hours": Maybe(count)}],
    "gaps_total": count,
    "exceptions": {"noise_resources": count, "noise_attributes": count, "ignored_by_custom_rules": count, "accepted_risks": count,
                   "false_positives": count, "disabled_rules": count, "late_scans": count},
    "audit": {"first_seq": Maybe(integer), "last_seq": Maybe(integer), "entries": count},
}


def read_summary(summary):
    """The summary; members that are not compared with anything may be there, too."""

    def known(value, shape):
        if isinstance(shape, Maybe):
            return known(value, shape.shape) if value is not None else None
        if isinstance(shape, dict) and isinstance(value, dict):
            return {key: known(value[key], inner) for key, inner in shape.items() if key in value}
        if isinstance(shape, list) and isinstance(value, list):
            return [known(item, shape[0]) for item in value]
        return value

    return shaped(known(summary, SUMMARY_SHAPE), SUMMARY_SHAPE, "summary")


def percent(ratio):
    """One decimal; 100 only for the whole, 0 only for nothing, absent when there is nothing to divide by."""
    part, of = ratio["numerator"], ratio["denominator"]
    if of == 0:
        return None
    tenths = (part * 1000 + of // 2) // of
    return max(min(tenths, 999) if part < of else tenths, 1 if part else 0) / 10


def alike(row, expected):
    """A row of a CSV against what the summary says; hours may differ by rounding."""
    for cell, value in zip(row.values(), expected):
        rounded = isinstance(value, float) and type(cell) in (int, float) and abs(cell - value) <= 0.005001
        if not rounded and (cell != value or isinstance(cell, bool) != isinstance(value, bool)):
            return False
    return len(row) == len(expected)


def check_figures(pack, report):
    if len(pack.tables) == len(TABLES):
        report.done("tables", f"{sum(rows for rows, _ in pack.tables.values())} rows, every header and cell of the published form")
    if pack.data is None:
        report.put("data", INCOMPLETE, "data.json cannot be compared: it is not there, or not readable")
    else:
        check_data(pack, report)
    if pack.provenance is None:
        report.put("provenance", INCOMPLETE, "provenance.json is not there, or not readable")
    else:
        check_provenance(pack, pack.provenance, report)
    check_roll_forward(pack, report)


def check_data(pack, report):
    data, summary, counted = pack.data, pack.data["summary"], pack.counted
    for table in TABLES:
        if table + ".csv" in pack.tables:
            report.require(data[table] == pack.tables[table + ".csv"], "data", f"data.json and {table}.csv differ in the values of a row")
    same = (summary["org"], moment(summary["generated_at"]), bounds(summary["period"]), summary["audit"]) == (
        data["org"], moment(data["generated_at"]), bounds(data["period"]), data["audit_log"])
    report.require(same, "data", "the summary in data.json is of another organisation, period or time")

    def follows(table, holds, what):
        report.require(table + ".csv" not in pack.tables or holds, "data", f"the summary reports {what} than {table}.csv")

    headline = summary["headline"]
    follows("findings", pack.tables.get("findings.csv", [0])[0] == headline["findings_in_period"], "another number of findings")
    follows("findings", headline["hours_to_resolve"]["count"] == counted.total()[3], "another number of times to resolve")
    ends = ["done", "partial", "failed"]
    scans = [sum(month[end] for month in counted.scans.values()) for end in ends]
    follows("scans", [headline["scans_" + end] for end in ends] == scans, "other scans")
    months, left = summary["coverage"], dict(counted.scans)
    each = [left.pop(m["month"], dict(done=0, partial=0, failed=0)) == {end: m["scans_" + end] for end in ends} for m in months]
    follows("scans", all(each) and not left, "other scans per month")
    expected = [[m["month"], m["scope"]["denominator"], m["scope"]["numerator"], percent(m["scope"]), m["scans_expected"], m["scans_done"],
                 m["scans_partial"], m["scans_failed"], number(m["longest_gap_hours"]), m["iac"]["denominator"], m["iac"]["numerator"],
                 percent(m["iac"]), m["drift"]["denominator"], m["drift"]["numerator"], percent(m["drift"]), m["partial_month"]] for m in months]
    follows("coverage_monthly", same_rows(counted.months, expected), "another coverage")
    expected = [[s["risk_level"]] + [s[k] for k in ROLL] + [number(s["hours_to_resolve"][k]) for k in ("mean", "median", "p90", "max")]
                + [number(s["oldest_open_hours"]), number(s["mean_open_hours"]), s["target_hours"], s["within_sla"]["numerator"],
                   s["overdue_open"]] for s in summary["sla"]]
    follows("remediation_sla", same_rows(counted.sla, expected), "other times or targets")
    follows("remediation_sla", course_ties(summary), "another course of the open findings")
    kinds = {"noise_rule": "noise_resources", "ignored_by_custom_rule": "ignored_by_custom_rules", "accepted_risk": "accepted_risks",
             "false_positive": "false_positives", "disabled_rule": "disabled_rules", "late_scan": "late_scans"}
    aside = all(counted.exceptions.get(kind, 0) == summary["exceptions"][name] for kind, name in kinds.items())
    follows("exceptions", aside, "other exceptions")
    follows("state_sources", headline["sources"] == counted.active, "another number of active states")
    report.done("data", "data.json says the same as the CSV files, row by row, and its summary follows from them")


def calendar(period):
    """The months that the period touches, and whether it covers only a part of each."""
    (start, end), months = bounds(period), []
    year, month = int(start[:4]), int(start[5:7])
    while (first := f"{year:04}-{month:02}-01T00:00:00.000000000") < end and year < 10000:
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)
        months.append((first[:7], first < start or year > 9999 or f"{year:04}-{month:02}-01T00:00:00.000000000" > end))
    return months


def course_ties(summary):
    """Month by month each level opens with what it closed with, and all months together are its roll-forward."""
    months = summary["open_monthly"]
    if [(month["month"], month["partial_month"]) for month in months] != calendar(summary["period"]):
        return False
    for level in summary["sla"]:
        course = [month["levels"].get(level["risk_level"]) for month in months]
        if not course or None in course:
            return False
        course = [[roll[name] for name in ROLL] for roll in course]
        sums = [sum(column) for column in zip(*course)]
        follow = all(before[-1] == after[0] for before, after in zip(course, course[1:]))
        if not follow or not all(map(ties, course)) or [course[0][0], *sums[1:6], course[-1][-1]] != [level[name] for name in ROLL]:
            return False
    return True


def number(value):
    return None if value is None else float(value)


def same_rows(rows, expected):
    return len(rows) == len(expected) and all(alike(row, values) for row, values in zip(rows, expected))


def bounds(period):
    return moment(period["start"]), moment(period["end"])


def is_hashed(queries):
    return all(query["sql_sha256"] == hashlib.sha256(query["sql"].encode()).hexdigest() for query in queries)


def check_provenance(pack, told, report):
    if told["schema"] != "driftpack.provenance/v1":
        report.put("provenance", INCOMPLETE, "provenance.json has a schema this verifier does not know")
    start, end = bounds(told["period"])
    report.require(start < end, "provenance", "its period ends before it starts")
    report.require(pack.at == min(max(seconds(told["period"]["end"]), 315532800), 4354819198), "archive",
                   "the files in the ZIP are not dated at the end of the period")
    sections = {section["entry"]: section for section in told["sections"]}
    report.require(len(sections) == len(told["sections"]), "provenance", "an entry is described twice")
    due = {name for name in pack.files if name not in (PROVENANCE, INDEX, ATTESTATION, MANIFEST, STAMP)}
    for name in sorted(due ^ set(sections)):
        report.require(name in pack.files and name not in due, "provenance", f"{name} is not described, or described and cannot be read")
    for name in sorted(due & set(sections)):
        section, file = sections[name], pack.files[name]
        report.require((section["sha256"], section["bytes"]) == (file.sha.hexdigest(), file.size), "provenance", f"{name} has other bytes than told")
        rows = pack.tables[name][0] if name in pack.tables else file.lines if name == EVENTS else None
        report.require(rows is None or section["rows"] == rows, "provenance", f"{name} has other rows than told")
        report.require(is_hashed(section["queries"]), "provenance", f"a query of {name} does not have its SHA-256")
    for tie in told["tie_out"]["checks"]:
        report.require(tie["reported"] == tie["counted"], "provenance", f"the builder's own check «{tie['name']}» does not tie")
    report.require(is_hashed(told["sequence_gaps"]["queries"]), "provenance", "a query of the sequences does not have its SHA-256")
    if pack.data:
        org, headline, totals = pack.data["org"], pack.data["summary"]["headline"], told["control_totals"]
        same = (org["id"], org["slug"], bounds(pack.data["period"])) == (told["org"]["id"], told["org"]["slug"], (start, end))
        report.require(same, "provenance", "provenance.json and data.json are of different packs")
        expected = {"findings": headline["findings_in_period"], "roll_forward": {k: headline[k] for k in ROLL},
                    "audit_entries": pack.data["summary"]["audit"]["entries"], **{k: headline[k] for k in ("scans_done", "scans_partial", "scans_failed")}}
        report.require(totals == expected, "provenance", "the control totals are not those of data.json")
    report.done("provenance", "rows, bytes and SHA-256 of every entry are as provenance.json says")


def check_roll_forward(pack, report):
    counted = pack.counted
    if not {"findings.csv", "remediation_sla.csv"} <= set(pack.tables):
        return report.put("roll_forward", INCOMPLETE, "it cannot be recounted without both readable tables")
    report.require(sorted(counted.reported) == sorted(LEVELS), "roll_forward", "remediation_sla.csv lacks a risk level")
    report.require(counted.reported == counted.levels, "roll_forward", "remediation_sla.csv is not what the findings add up to")
    if pack.data:
        summary = pack.data["summary"]
        report.require([summary["headline"][k] for k in ROLL] == counted.total(), "roll_forward", "the summary reports another roll-forward")
        sla = {s["risk_level"]: [s[k] for k in ROLL] for s in summary["sla"]}
        report.require(sla == counted.reported, "roll_forward", "summary and remediation_sla.csv differ")
    if pack.provenance:
        told = {level: [roll[k] for k in ROLL] for level, roll in pack.provenance["tie_out"]["levels"].items() if roll}
        report.require(told == counted.reported, "roll_forward", "provenance.json and remediation_sla.csv differ")
    report.done("roll_forward", "recounted from the findings, per risk level: open at the start + opened + reopened - closed = open at the end")


# ── 4  the audit chain ───────────────────────────────────────────────────────────────────────────────────────────────────────────────

WRITER = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def canonical(value):
    """RFC 8785: the one way to write a JSON value (here without fractions)."""
    text = WRITER.encode(value)
    return text if text.isascii() else rearranged(value)


def rearranged(value):
    """The same, with the members in the order of UTF-16: beyond ASCII it can be another than Python's."""
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: key.encode("utf-16-be"))
        return "{" + ",".join(rearranged(key) + ":" + rearranged(value[key]) for key in keys) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(rearranged, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def plain_detail(value, depth=0):
    need(depth <= 32 and not isinstance(value, float), "its detail is not one that is recorded")
    need(type(value) is not int or abs(value) <= 1 << 53, "its detail has a number that is too large")
    need(not isinstance(value, str) or "\0" not in value, "its detail has a NUL")
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value if isinstance(value, list) else []):
        plain_detail(inner, depth + 1), plain_detail(key) if isinstance(key, str) else None


ENTRY_SHAPE = {"action": str, "actor": {"id": str, "type": str}, "chain": str, "created_at": str, "detail": dict, "id": uuid, "origin": str,
               "outcome": str, "prev_hash": Maybe(sha), "seq": integer}


def read_events(stream, attested, watch):
    """Hashes and links every line again. Memory does not grow with lines."""
    need(attested["chain"] == "platform" or uuid(attested["chain"]), "the attestation names no chain")
    first = attested["period"]["first_seq"] or 1
    found = {"lines": 0, "before": None, "hashes": {}, "times": None, "completed": {}, "fault": None, "last": None}
    seq, previous, time, genesis = first, None, "", "platform.created" if attested["chain"] == "platform" else "org.created"
    wanted = {attested["head_seq"], attested["requested"]["seq"], 1, *watch["seqs"]} | {p["seq"] for p in attested["previous_attestations"]}
    while line := stream.readline(ITEM_MAX):
        found["lines"] += 1
        need(line.endswith(b"\n"), f"line {found['lines']} does not end with a line feed")
        if found["fault"]:
            continue
        try:
            need(len(line) <= (64 << 10) + 1, "it is too large")
            entry = shaped(parse(line[:-1]), ENTRY_SHAPE, "")
            plain_detail(entry["detail"])
            need("prev_hash" in entry and canonical(entry).encode() == line[:-1], "its text is not canonical")
            moment(entry["created_at"])
            need(len(entry["created_at"]) == 27 and 1 <= entry["seq"] <= 1 << 53, "its time or number is written otherwise")
            if found["times"] is None and entry["prev_hash"]:
                found["before"] = entry["seq"] - 1, entry["prev_hash"]
            span = found["times"] or (entry["created_at"],) * 2
            found["times"] = min(span[0], entry["created_at"]), max(span[1], entry["created_at"])
            need(entry["seq"] == seq, f"the numbering is not 1, 2, 3, …: {seq} is expected")
            need(entry["chain"] == attested["chain"], "it belongs to another chain")
            need((entry["prev_hash"] is None) == (seq == 1) and previous in (None, entry["prev_hash"]), "it does not point to the entry before it")
            need((seq == 1) == (entry["action"] == genesis), "a chain begins with its creation, once")
            need(entry["created_at"] >= time, "it is older than the entry before it")
        except (Fault, ValueError, TypeError, RecursionError) as fault:
            found["fault"] = f"entry {seq} is bad: {fault}"
            continue
        previous, time = hashlib.sha256(b"v1\n" + line[:-1]).hexdigest(), entry["created_at"]
        if seq in wanted:
            found["hashes"][seq] = previous
        export = entry["detail"].get("export_id")
        if entry["action"] == "audit_export.completed" and export in watch["exports"]:
            found["completed"][export] = entry["detail"].get("manifest_sha256"), entry["detail"].get("zip_sha256")
        found["last"], seq = seq, seq + 1
    return found


def hash_at(events, seq):
    """What the excerpt says about the hash of an entry: computed, or named by its first line."""
    if seq in events["hashes"]:
        return events["hashes"][seq]
    return events["before"][1] if events["before"] and events["before"][0] == seq else None


def read_attestation(raw):
    """The file has one rendering, so that nobody can be shown something that was not checked."""
    found = shaped(parse(raw), ATTESTATION_SHAPE, "")
    order = [key for key in ATTESTATION_SHAPE if key != "signature" or key in found]
    need(list(found) == order and (json.dumps(found, indent=2, ensure_ascii=False) + "\n").encode() == raw,
         "it is not written the one way it can be written")
    need(found["status"] in ("ok", "broken", "truncated", "empty"), "its status is unknown")
    return found


def check_chain(pack, report):
    attested, events = pack.attestation, pack.events
    if attested is None:
        return report.put("attestation", INCOMPLETE, "chain-attestation.json is not there, or not readable")
    if (attested["schema"], attested["canonical_version"]) != ("driftpack.chain-attestation/v1", "v1"):
        return report.put("attestation", INCOMPLETE, "its schema is not one this verifier knows; use a newer one")
    head, first, last = attested["head_seq"], attested["period"]["first_seq"], attested["period"]["last_seq"]

    def must(holds, detail):
        report.require(holds, "attestation", detail)

    must(attested["status"] == "ok", "the chain was not found in order when the pack was built")
    must(head == attested["checked"], "not every entry up to the head was re-hashed")
    must(1 <= attested["requested"]["seq"] <= head, "the request lies outside the chain")
    must((first is None and last is None) or (None not in (first, last) and 1 <= first <= last <= head), "the period lies outside the chain")
    known = {(1, attested["genesis_hash_hex"]), (head, attested["head_hash_hex"])}
    known |= {(p["seq"], p["hash_hex"]) for p in [attested["requested"], *attested["previous_attestations"]]}
    must(all(re.fullmatch("[0-9a-f]{64}", digest) for _, digest in known), "a hash is not 64 lower-case hex digits")
    must(all(1 <= p["seq"] <= head for p in attested["previous_attestations"]), "an earlier pack lies outside the chain")
    must(len({seq for seq, _ in known}) == len(known), "one entry is said to have two hashes")
    if pack.provenance:
        must(attested["chain"] == pack.provenance["org"]["id"], "it attests another organisation's chain")
        taken = moment(pack.provenance["snapshot"]["taken_at"])
        must(taken <= moment(attested["verified_at"]), "it is older than the snapshot of the sections: it belongs to another pack")
    if pack.data:
        log, chain = pack.data["audit_log"], pack.data["chain"]
        must((log["first_seq"], log["last_seq"]) == (first, last), "data.json has other audit entries in the period")
        must(chain["chain"] == attested["chain"], "data.json names another chain")
        must(chain["head_seq"] < head or (chain["head_seq"], chain["head_hash_hex"]) == (head, attested["head_hash_hex"]),
             "the chain in data.json is ahead of the attested one, or another one")
    if events is None:
        report.put("chain_excerpt", INCOMPLETE, "audit_events.ndjson is not there, or not readable")
    else:
        check_events(pack, events, first, last, report)
        for seq, digest in sorted(known):
            must(hash_at(events, seq) in (None, digest), f"entry {seq} has another hash in the excerpt than the attested one")
    report.done("attestation", f"the chain had {head} entries, all re-hashed; earlier packs named: {len(attested['previous_attestations'])}")


def check_events(pack, events, first, last, report):
    expected = last - first + 1 if None not in (first, last) else 0
    end = events["last"] if events["last"] is not None else (first or 1) - 1
    if events["fault"]:
        report.put("chain_excerpt", BROKEN, events["fault"])
    elif last is not None and last > end:
        report.put("chain_excerpt", TRUNCATED, f"the chain ends at entry {end}, before the entry {last} that is expected")
    else:
        report.require(events["lines"] == expected, "chain_excerpt", f"{events['lines']} entries are there, {expected} are attested")
    if events["times"] and pack.provenance:
        start, until = bounds(pack.provenance["period"])
        inside = start <= moment(events["times"][0]) and moment(events["times"][1]) < until
        report.require(inside, "chain_excerpt", "it has entries from outside the period")
    if pack.data:
        report.require(pack.data["audit_log"]["entries"] == events["lines"], "chain_excerpt", "data.json counts other audit entries")
    report.done("chain_excerpt", f"{events['lines']} entries of the period; every hash and link was computed again")


# ── 5  the signature: Ed25519 (RFC 8032), verification only ──────────────────────────────────────────────────────────────────────────

P, Q = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT = pow(2, (P - 1) // 4, P)


def point(raw):
    """A point of the curve from its 32 bytes, in extended coordinates."""
    y, sign = int.from_bytes(raw, "little") & (1 << 255) - 1, raw[31] >> 7
    need(y < P, "a point is written in a way that is not the shortest")
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT % P
    need((x * x - square) % P == 0 and (x or not sign), "it is not a point of the curve")
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P


def add(a, b):
    e, f = (a[1] - a[0]) * (b[1] - b[0]) % P, (a[1] + a[0]) * (b[1] + b[0]) % P
    c, d = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    e, f, g, h = f - e, d - c, d + c, f + e
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(n, a):
    out = (0, 1, 1, 0)
    while n:
        out, a, n = add(out, a) if n & 1 else out, add(a, a), n >> 1
    return out


def equal(a, b):
    return (a[0] * b[2] - b[0] * a[2]) % P == 0 and (a[1] * b[2] - b[1] * a[2]) % P == 0


BASE = point(bytes.fromhex("58" + "66" * 31))
NEUTRAL = (0, 1, 1, 0)


def is_signed(key, message, signature):
    try:
        need(len(key) == 32 and len(signature) == 64, "a length is wrong")
        a, r, s = point(key), point(signature[:32]), int.from_bytes(signature[32:], "little")
        need(s < Q and not equal(times(8, a), NEUTRAL) and not equal(times(8, r), NEUTRAL), "weak, or not the shortest form")
        h = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % Q
        return equal(times(s, BASE), add(r, times(h, a)))
    except Fault:
        return False


def strict_base64(text):
    raw = base64.b64decode(text, validate=True)
    need(base64.b64encode(raw).decode() == text, "it is not base64")
    return raw


class Key(bytes):
    """The 32 bytes of a public key, and the times between which it was valid, where a list of keys says so."""

    not_before = not_after = None

    def is_valid_at(self, time):
        return (self.not_before or time) <= time <= (self.not_after or time)


KEYS_SHAPE = {"keys": [{"kid": str, "alg": str, "public_key": str, "not_before": Maybe(moment), "not_after": Maybe(moment)}]}


def read_keys(text):
    """One key, or every key of a list such as /.well-known/driftpack-keys.json."""
    if not text.lstrip().startswith("{"):
        return [read_key(text)]
    keys = []
    try:
        for told in shaped(parse(text.encode()), KEYS_SHAPE, "")["keys"]:
            key = Key(strict_base64(told["public_key"]))
            need(len(key) == 32 and (told["kid"], told["alg"]) == (key_id(key), "Ed25519"), "a key of the list contradicts itself")
            point(key)
            key.not_before, key.not_after = (told.get(name) and moment(told[name]) for name in ("not_before", "not_after"))
            keys.append(key)
    except (ValueError, RecursionError):
        raise Fault("it is not a list of keys") from None
    need(keys, "the list has no keys")
    return keys


def read_key(text):
    """The 32 bytes of a public key: PEM (SPKI), hex or base64."""
    text = text.strip()
    try:
        if text.startswith("-----BEGIN PUBLIC KEY-----"):
            der = base64.b64decode("".join(text.splitlines()[1:-1]), validate=True)
            need(len(der) == 44 and der[:12] == bytes.fromhex("302a300506032b6570032100"), "the PEM text is not an Ed25519 public key")
            raw = der[12:]
        else:
            raw = bytes.fromhex(text) if len(text) == 64 else strict_base64(text)
        need(len(raw) == 32, "it is neither PEM nor 32 bytes in hex or base64")
        point(raw)
        return Key(raw)
    except (ValueError, binascii.Error):
        raise Fault("it is neither PEM nor 32 bytes in hex or base64") from None


def key_id(raw):
    return hashlib.sha256(raw).hexdigest()[:16]


def check_signature(pack, pinned, report):
    """The id of the key whose signature is right."""
    attested = pack.attestation
    if attested is None:
        return report.put("signature", INCOMPLETE, "there is no readable attestation that could be signed")
    envelope = attested.get("signature")
    if envelope is None:
        return report.put("signature", BROKEN if pinned else INCOMPLETE, "the pack is not signed: whoever had it could have changed it")
    named = None
    if pack.provenance and pack.provenance.get("signing_key"):
        told = pack.provenance["signing_key"]
        try:
            named = read_key(told["pem"])
            need((told["kid"], told["alg"], strict_base64(told["public_key"])) == (key_id(named), "Ed25519", named), "its members disagree")
        except (Fault, ValueError) as fault:
            named = None
            report.put("trust", BROKEN, f"provenance.json: {fault}")
    keys = pinned or ([named] if named else [])
    if not keys:
        return report.put("signature", INCOMPLETE, "the pack does not hold the public key; give it with --key")
    try:
        need(envelope["payloadType"] == "application/vnd.in-toto+json", "its payloadType is not the expected one")
        body = strict_base64(envelope["payload"])
        signatures = [strict_base64(signature["sig"]) for signature in envelope["signatures"]]
        message = b"DSSEv1 28 application/vnd.in-toto+json %d " % len(body) + body
        key = next((key for key in keys if any(is_signed(key, message, signature) for signature in signatures)), None)
        need(key, "none of the keys made its signature")
        statement = parse(body)
        need(set(statement) == {"_type", "subject", "predicateType", "predicate"}, "the signed statement has other members")
        need((statement["_type"], statement["predicateType"]) == ("https://in-toto.io/Statement/v1", "urn:driftpack:chain-attestation:v1"),
             "the signed statement is of another type")
        rest = {name: value for name, value in attested.items() if name != "signature"}
        need(canonical(statement["predicate"]) == canonical(rest), "the signed attestation says something else than the file")
        subjects = [(subject["name"], subject["digest"]["sha256"]) for subject in statement["subject"]]
        files = [(name, file.sha.hexdigest()) for name, file in pack.files.items() if name not in (ATTESTATION, MANIFEST, STAMP)]
        need(sorted(subjects) == sorted(files), "the signed hashes are not those of the entries")
    except (Fault, ValueError, KeyError, TypeError, RecursionError) as fault:
        return report.put("signature", BROKEN, f"{fault}")
    report.require(len(envelope["signatures"]) == 1, "signature", "there is more than the one signature")
    report.require(all(s["keyid"] == key_id(key) for s in envelope["signatures"]), "trust", "the signature names another key than the one that made it")
    report.done("signature", "it covers every entry as it is, and the attested chain position")
    report.require(named in (None, key), "trust", "provenance.json names another key")
    if pinned:
        report.require(key.is_valid_at(moment(attested["verified_at"])), "trust", f"the key {key_id(key)} was not valid when the pack was signed")
        report.done("trust", f"signed by {key_id(key)}, a key you trust")
    else:
        report.put("trust", NOTE, f"trust on first use: the pack brought its own key {key_id(key)}, so the signature shows that the entries "
                   "belong together, not who signed them. Get the key from the organisation by another way, then give it with --key")
    return key_id(key)


# ── 6  the time stamp: RFC 3161, an answer in DER. Its signature is for `openssl ts -verify`, with an authority that you trust ──────────

STAMP_MAX, CLOCKS, LATE = 64 << 10, 5 * 60, 24 * 60 * 60
SHA_256, SIGNED_DATA, TST_INFO = (bytes.fromhex(oid) for oid in ("608648016503040201", "2a864886f70d010702", "2a864886f70d0109100104"))
NO_ANSWER, NO_TOKEN = "it is no RFC 3161 answer in DER", "it holds no signed token of the RFC 3161 kind"


def der(raw, fault):
    """Tag and content of each part; a length has one way to be written."""
    parts, at = [], 0
    while at < len(raw):
        need(at + 2 <= len(raw) and raw[at] & 31 != 31, fault)
        tag, length, at = raw[at], raw[at + 1], at + 2
        if length > 127:
            wide = length - 128
            need(1 <= wide <= 4 and at + wide <= len(raw), fault)
            length, at = int.from_bytes(raw[at:at + wide], "big"), at + wide
            need(length > 127 and length >> 8 * (wide - 1), fault)
        need(at + length <= len(raw), fault)
        parts.append((tag, raw[at:at + length]))
        at += length
    return parts


def within(part, tag, tags, fault):
    """The parts of a part; the first ones must have these tags."""
    need(part[0] == tag, fault)
    parts = der(part[1], fault)
    need(bytes(inner for inner, _ in parts[:len(tags)]) == bytes(tags), fault)
    return parts


def read_stamp(raw):
    """What the hash was that the answer is over, and the time it says."""
    need(len(raw) <= STAMP_MAX, "it is larger than any time stamp")
    answer = within((0, raw), 0, [0x30], NO_ANSWER)
    need(len(answer) == 1, NO_ANSWER)
    answer = within(answer[0], 0x30, [0x30], NO_ANSWER)
    status = within(answer[0], 0x30, [2], NO_ANSWER)[0][1]
    need(len(answer) <= 2 and len(status) == 1, NO_ANSWER)
    need(status[0] <= 1, "the authority refused")
    need(len(answer) == 2, NO_TOKEN)
    kind, content = within(answer[1], 0x30, [6, 0xA0], NO_TOKEN)[:2]
    signed = within(within(content, 0xA0, [0x30], NO_TOKEN)[0], 0x30, [2, 0x31, 0x30], NO_TOKEN)
    need(kind[1] == SIGNED_DATA and len(signed) > 3 and signed[-1][0] == 0x31 and signed[-1][1], NO_TOKEN)
    kind, content = within(signed[2], 0x30, [6, 0xA0], NO_TOKEN)[:2]
    need(kind[1] == TST_INFO, NO_TOKEN)
    said = within((0, within(content, 0xA0, [4], NO_TOKEN)[0][1]), 0, [0x30], NO_TOKEN)
    need(len(said) == 1, NO_TOKEN)
    said = within(said[0], 0x30, [2, 6, 0x30, 2, 0x18], NO_TOKEN)
    algorithm, imprint = within(said[2], 0x30, [0x30, 4], NO_TOKEN)[:2]
    need(within(algorithm, 0x30, [6], NO_TOKEN)[0][1] == SHA_256, "it is over another hash than SHA-256")
    match = re.fullmatch(r"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\.\d{1,9})?Z", said[4][1].decode("latin-1"))
    need(match, "its time cannot be read")
    year, month, day, hour, minute, second, part = match.groups()
    try:
        return imprint[1], moment(f"{year}-{month}-{day}T{hour}:{minute}:{second}{part or ''}Z")
    except ValueError:
        raise Fault("its time cannot be read") from None


def check_stamp(pack, report):
    def put(status, detail):
        report.put("time_stamp", status, detail)

    if pack.stamp is None:
        asked = pack.provenance and pack.provenance.get("time_stamp_authority")
        if asked:
            put(NOTE, f"the pack bears no time stamp, although {asked[:200]} was to be asked for one: it did not answer then, or {STAMP} was "
                "taken out")
        return
    try:
        imprint, time = read_stamp(pack.stamp)
    except Fault as fault:
        return put(BROKEN, f"{STAMP}: {fault}")
    if MANIFEST not in pack.files:
        return put(INCOMPLETE, "there is no readable MANIFEST.txt that it could be over")
    if imprint != pack.files[MANIFEST].sha.digest():
        return put(BROKEN, "it was given for another MANIFEST.txt: the list was changed since, or the stamp is another pack's")
    put(OK, f"it is over MANIFEST.txt as it is, and says {time[:19]}Z; who gave it is not checked here: step 7 of AUDIT_LOG_VERIFY.md does, "
        "with the certificate of an authority you trust")
    if pack.attestation:
        said = moment(pack.attestation["verified_at"])
        late = seconds(time + "Z") - seconds(said + "Z") + (float("0" + time[19:]) - float("0" + said[19:]))
        if late < -CLOCKS:
            put(BROKEN, f"it says {time[:19]}Z, and the pack says that it was made after that, from data of {said[:19]}Z")
        elif late > LATE:
            put(NOTE, f"the pack says that it was made from data of {said[:19]}Z, and the authority saw it first at {time[:19]}Z: nothing outside "
                "the organisation shows that it is older than that")


# ── 7  earlier packs ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────

def check_continuity(pack, facts, against, pinned, report):
    def put(status, detail):
        report.put("continuity", status, detail)

    if not against:
        return put(NOTE, "no earlier pack was given to compare with (--against)")
    if facts is None:
        return put(INCOMPLETE, "this pack says too little to be compared with earlier ones")
    trusted = {key_id(key) for key in pinned}
    for name, older in against:
        then = older.facts
        if then is None or older.result != OK:
            put(INCOMPLETE, f"{name} is itself {older.result}, so it proves nothing")
            continue
        if then["signed_by"] != facts["signed_by"] and not {then["signed_by"], facts["signed_by"]} <= trusted:
            put(INCOMPLETE, f"{name} was signed by another key, and you do not trust both")
        if then["chain"] != facts["chain"]:
            put(BROKEN, f"{name} is of another chain")
            continue
        if moment(then["verified_at"]) > moment(facts["verified_at"]):
            put(INCOMPLETE, f"{name} is younger than this pack; verify that one against this one")
            continue
        seq = then["head_seq"]
        if seq > facts["head_seq"]:
            put(TRUNCATED, f"{name} attests entry {seq}; the chain now ends at {facts['head_seq']}")
            continue
        attested = pack.attestation
        said = [p["hash_hex"] for p in attested["previous_attestations"] if p["seq"] == seq]
        said += [attested["head_hash_hex"]] if attested["head_seq"] == seq else []
        said += [hash_at(pack.events, seq)] if pack.events and hash_at(pack.events, seq) else []
        if not said:
            put(INCOMPLETE, f"this pack does not name {name} among the earlier ones, and entry {seq} lies outside its excerpt")
        elif set(said) == {then["head_hash_hex"]}:
            put(OK, f"the chain still holds entry {seq} as {name} attested it")
        else:
            put(BROKEN, f"the chain was rewritten: entry {seq} has another hash than {name} attested")
        recorded = (pack.events or {}).get("completed", {}).get(then["export_id"], (None, None))
        if recorded[0] not in (None, then["manifest_sha256"]):
            put(BROKEN, f"the chain recorded another content for {name} when it was built")


# ── all of it ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

def verify(path, keys=(), against=()):
    """The report on a pack. `keys`: the raw bytes of public keys that are trusted; `against`: paths of earlier packs."""
    older = [(str(old), verify(old, keys)) for old in against]
    known = [report.facts for _, report in older if report.facts]
    watch = {"seqs": {facts["head_seq"] for facts in known}, "exports": {facts["export_id"] for facts in known}}
    report = Report()
    with open(path, "rb") as file:
        opened = open_zip(file, report)
        if opened is None:
            return report
        pack = read_files(file, opened[0], report, watch)
    pack.at = opened[1]
    check_figures(pack, report)
    check_chain(pack, report)
    signed_by = check_signature(pack, [key if isinstance(key, Key) else Key(key) for key in keys], report)
    check_stamp(pack, report)
    told, attested = pack.provenance, pack.attestation
    if told and attested and MANIFEST in pack.files:
        report.facts = {
            "org": told["org"]["slug"], "period": told["period"], "export_id": told["request"]["export_id"], "chain": attested["chain"],
            "verified_at": attested["verified_at"], "head_seq": attested["head_seq"], "head_hash_hex": attested["head_hash_hex"],
            "manifest_sha256": pack.files[MANIFEST].sha.hexdigest(), "signed_by": signed_by,
            "files": {name: pack.files[name].sha.hexdigest() for name in ENTRIES if name in pack.files},
        }
    check_continuity(pack, report.facts, older, list(keys), report)
    return report


def main():
    parser = argparse.ArgumentParser(description="Checks a driftpack Compliance Pack. Exit code: 0 ok, 1 broken, 2 truncated, 3 incomplete.")
    parser.add_argument("pack")
    parser.add_argument("--key", action="append", default=[], metavar="FILE", help="a public key you trust, or a list of them (repeatable)")
    parser.add_argument("--against", action="append", default=[], metavar="ZIP", help="an earlier pack (repeatable)")
    parser.add_argument("--json", action="store_true", help="the report as JSON")
    args = parser.parse_args()
    try:
        keys = []
        for path in args.key:
            with open(path, encoding="utf-8") as file:
                keys.extend(read_keys(file.read()))
        report = verify(args.pack, keys, args.against)
    except (Fault, OSError, UnicodeDecodeError) as fault:
        print(f"verify_pack: {fault}", file=sys.stderr)
        return 4
    result = report.result
    if args.json:
        print(json.dumps({"result": result, "exit_code": EXIT[result], "pack": report.facts, "checks": report.checks}, indent=2))
    else:
        for check in report.checks:
            mark = check["status"] if check["status"] in (OK, NOTE) else check["status"].upper()
            print(f"{mark:<10}  {check['name']:<13}  {check['detail']}")
        print(f"\nresult: {result}")
    return EXIT[result]


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="backslashreplace")
    sys.exit(main())
