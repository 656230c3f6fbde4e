"""The bars: what packs have to reach, computed from one run's figures.

Invariants: nothing here is a figure of its own; a bar whose figures were not measured neither holds nor fails (`holds` is null).
"""

UNITS = {
    "pack": "s", "pack_processor": "s", "worker_processor": "s", "postgres_processor": "s", "chromium_processor": "s",
    "worker_peak": "MiB", "per_row": "µs", "zip_size": "MB", "floor": "s", "floor_copy": "s", "floor_sha256sum": "s",
    "floor_zip": "s", "floor_zip_size": "MB", "chain_verify": "s", "chain_floor": "s", "chain_rate": "entries/s",
    "appends": "entries/s", "appends_floor": "entries/s",
}  # fmt: skip
TYPICAL_SECONDS, ENTERPRISE_SECONDS, FLOOR_SHARE = 1.5, 15, 0.7
PEAK_MIB, GROWTH = 200, 0.10
CHAIN_TIMES, CHAIN_RATE, APPENDS = 1.5, 500_000, 1_000


def compute(figures, grown_by):
    typical, enterprise = _of(figures, "pack", "typical"), _of(figures, "pack", "enterprise")
    floor, peak = _of(figures, "floor", "enterprise"), _of(figures, "worker_peak", "enterprise")
    peaks = [told["median"] for told in figures.find("worker_peak")]
    grown, verify = f"{grown_by:g} times enterprise", _of(figures, "chain_verify", "enterprise")
    return [
        _below("typical: accepted request to done, warm", typical, "s", TYPICAL_SECONDS),
        _below("enterprise: accepted request to done", enterprise, "s", ENTERPRISE_SECONDS),
        _below("enterprise: against the floor pipeline", _share(enterprise, floor), "times", FLOOR_SHARE),
        _below("most memory of the worker at any size", max(peaks, default=None), "MiB", PEAK_MIB),
        _below(f"memory of the worker, {grown} against enterprise", _more(figures, "worker_peak", peak), "of the figure", GROWTH),
        _below(
            f"time per row, {grown} against enterprise",
            _more(figures, "per_row", _of(figures, "per_row", "enterprise")),
            "of the figure",
            GROWTH,
        ),
        _below("chain verify against COPY piped to a hash", _share(verify, _of(figures, "chain_floor", "enterprise")), "times", CHAIN_TIMES),
        _above("chain verify, entries a second and core", _of(figures, "chain_rate", "enterprise"), "entries/s", CHAIN_RATE),
        _above("audit appends a second, one organisation, 16 writers", _of(figures, "appends", "typical"), "entries/s", APPENDS),
    ]


def _of(figures, figure, profile):
    told = next(iter(figures.find(figure, mode=profile)), None)
    return told and told["median"]


def _share(value, of):
    return value / of if value is not None and of else None


def _more(figures, figure, before):
    """How much more it is at the largest size; less is less than nothing."""
    share = _share(_of(figures, figure, "x10"), before)
    return None if share is None else share - 1


def _below(name, value, unit, target):
    return _bar(name, value, unit, target, lambda value: value <= target)


def _above(name, value, unit, target):
    return _bar(name, value, unit, target, lambda value: value >= target)


def _bar(name, value, unit, target, holds):
    told = None if value is None else float(f"{value:.4g}")
    return {"name": name, "value": told, "unit": unit, "target": target, "holds": None if told is None else holds(told)}
