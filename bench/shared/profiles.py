"""How large the packs are that are measured.

Invariant: a profile is generated as `driftpack dev generate` and `chain.sql` do it: each source is scanned once a day, and now
and then once more in vain, which makes 1.07 scans a day and source.
"""

import dataclasses
import datetime

SCANS_PER_DAY = 1.07


@dataclasses.dataclass(frozen=True)
class Profile:
    name: str
    days: int
    findings: int
    scans: int
    audit_entries: int
    pdf: bool = True
    repeat: int = 3

    @property
    def sources(self):
        return max(1, round(self.scans / (self.days * SCANS_PER_DAY)))

    def period(self, today):
        """Whole days that are over; the end is exclusive."""
        end = today.replace(day=1)
        return end - datetime.timedelta(days=self.days), end

    def told(self):
        return dataclasses.asdict(self) | {"sources": self.sources}

    def times(self, factor, name, **other):
        sizes = {field: round(getattr(self, field) * factor) for field in ("findings", "scans", "audit_entries")}
        return dataclasses.replace(self, name=name, **(sizes | other))


TYPICAL = Profile("typical", 30, 10_000, 3_000, 20_000, repeat=7)
ENTERPRISE = Profile("enterprise", 365, 1_000_000, 100_000, 1_000_000)
GROWN_BY = 10


def known(scale, growth):
    """The profiles, the larger ones smaller by `scale`; the largest is `growth` times enterprise."""
    enterprise = ENTERPRISE.times(scale, "enterprise")
    return [TYPICAL, enterprise, enterprise.times(growth, "x10", pdf=False, repeat=1)]
