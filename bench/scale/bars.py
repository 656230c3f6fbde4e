"""The bars: what an installation has to reach as it grows, computed from one run's figures.

Invariants: nothing here is a figure of its own; a bar whose figures were not measured neither holds nor fails (`holds` is null).
"""

UNITS = {
    "page_p50": "ms", "page_p99": "ms", "api_p50": "ms", "api_p99": "ms", "api_rate": "requests/s", "api_busy_p99": "ms", "first_page": "KB",
    "crowd_pack": "s", "crowd_blocks": "blocks", "request_rate": "requests/s", "request_p99": "ms", "drain_rate": "packs/s",
    "drain_peak": "MiB", "twice": "steps", "queue_rate": "packs/s", "queue_peak": "MiB", "queue_failed": "packs", "fair": "share",
    "renderers": "browsers",
}  # fmt: skip
PAGE_MS, FIRST_PAGE_KB, AMONG_OTHERS, PEAK_MIB, FAIR, RENDERERS = 50, 100, 1.25, 200, 0.9, 1


def compute(figures):
    pages = [told["median"] for told in figures.find("page_p99")]
    peaks = [told["median"] for name in ("drain_peak", "queue_peak") for told in figures.find(name)]
    twice = [told["median"] for told in figures.find("twice")]
    return [
        _below("slowest page, p99 of the time to its last byte", max(pages, default=None), "ms", PAGE_MS),
        _below("first page with everything that it loads", _of(figures, "first_page"), "KB", FIRST_PAGE_KB),
        _below("a pack among many organisations against the same alone", _among(figures, "crowd_pack"), "times", AMONG_OTHERS),
        _below("blocks that a pack's statements touch, among many against alone", _among(figures, "crowd_blocks"), "times", AMONG_OTHERS),
        _below("steps carried out twice while no worker was lost", max(twice, default=None), "steps", 0),
        _below("most memory of a worker that drains a queue", max(peaks, default=None), "MiB", PEAK_MIB),
        _above("small packs done before the fifth of a large organisation", _of(figures, "fair"), "share", FAIR),
        _below("browsers of one worker at once", _of(figures, "renderers"), "browsers", RENDERERS),
    ]


def _of(figures, figure, mode=None):
    told = next(iter(figures.find(figure, mode=mode)), None)
    return told and told["median"]


def _among(figures, figure):
    alone, among = _of(figures, figure, "alone"), _of(figures, figure, "among many")
    return among / alone if alone and among else None


def _below(name, value, unit, target):
    return _bar(name, value, unit, target, lambda value: value <= target)


def _above(name, value, unit, target):
    return _bar(name, value, unit, target, lambda value: value >= target)


def _bar(name, value, unit, target, holds):
    told = None if value is None else float(f"{value:.4g}")
    return {"name": name, "value": told, "unit": unit, "target": target, "holds": None if told is None else holds(told)}
