"""Fills an installation's organisation with a year or a month of findings, scans and audit entries."""

import pathlib
import subprocess

from installation import DATABASE, SLUG, today

CHAIN = pathlib.Path(__file__).resolve().parent / "chain.sql"


def fill(installation, profile):
    """Answers the period, of which the end is exclusive."""
    starts, ends = profile.period(today())
    installation.say(f"generating {profile.findings:,} findings, {profile.scans:,} scans, {profile.audit_entries:,} audit entries")
    period = ["--from", starts.isoformat(), "--to", ends.isoformat()]
    sizes = ["--findings", str(profile.findings), "--state-sources", str(profile.sources)]
    installation.call("dev", "generate", "--org", SLUG, *sizes, *period, seconds=7200)
    values = {"org": installation.org, "entries": profile.audit_entries, "starts": starts, "ends": ends}
    psql = [installation.cluster.bin / "psql", "-Xq", "-v", "ON_ERROR_STOP=1", "-d", installation.cluster.url(DATABASE)]
    words = [word for name, value in values.items() for word in ("-v", f"{name}={value}")]
    subprocess.run([*psql, *words, "-f", CHAIN], check=True, stdout=subprocess.DEVNULL)
    return starts, ends
