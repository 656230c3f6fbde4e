"""Figures: what was measured, by whom, how often, and how far apart the repetitions lie.

Invariants: the median is over the repetitions on a quiet machine where there are any, else over all, and says so; minimum and
maximum are over the same repetitions; every repetition is kept. A figure that could not be measured is kept with its reason.
"""

import collections
import statistics

def percentile(values, share):
    """The smallest value that at least this share of all values does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, int(len(ordered) * share + 0.999999) - 1))]


class Figures:
    def __init__(self, units):
        self.units = units  # by the name of the figure
        self.samples = collections.OrderedDict()
        self.failures = []

    def add(self, figure, program, value, circumstances, mode="", finished=0):
        """One repetition of a figure. `finished`: how many finished runs lay in the tables."""
        key = (figure, program, mode, finished)
        self.samples.setdefault(key, []).append({"value": _rounded(value), **circumstances})

    def restore(self, told):
        """Figures as they were told in an earlier run."""
        for figure in told:
            key = (figure["figure"], figure["program"], figure["mode"], figure["finished_runs"])
            self.samples.setdefault(key, []).extend(figure["samples"])

    def fail(self, figure, program, reason, mode="", finished=0):
        self.failures.append((figure, program, mode, finished, reason))

    def find(self, figure, program=None, mode=None, finished=0):
        """The figures that fit, as told."""
        return [
            told
            for told in self.told()
            if told["figure"] == figure
            and program in (None, told["program"])
            and mode in (None, told["mode"])
            and finished in (None, told["finished_runs"])
        ]

    def best(self, figure, programs, highest=True, finished=0):
        """The best figure of these programs, or nothing."""
        found = [told for told in self.find(figure, finished=finished) if told["program"] in programs]
        return (max if highest else min)(found, key=lambda told: told["median"], default=None)

    def told(self):
        return [_told(key, samples, self.units[key[0]]) for key, samples in self.samples.items()]

    def not_measured(self):
        """What has no figure at all; the reason of the last attempt. And what failed in some repetitions only."""
        lost = {}
        for figure, program, mode, finished, reason in self.failures:
            measured = any(key[0].startswith(figure) and key[1:] == (program, mode, finished) for key in self.samples)
            entry = {"figure": figure, "program": program, "mode": mode, "finished_runs": finished, "reason": reason}
            lost[figure, program, mode, finished] = entry | {"measured_in_other_repetitions": measured}
        return list(lost.values())


def _told(key, samples, unit):
    figure, program, mode, finished = key
    quiet = [sample["value"] for sample in samples if sample.get("quiet")]
    values = quiet or [sample["value"] for sample in samples]
    return {
        "figure": figure,
        "program": program,
        "mode": mode,
        "finished_runs": finished,
        "unit": unit,
        "median": _rounded(statistics.median(values)),
        "min": min(values),
        "max": max(values),
        "quiet": bool(quiet),
        "samples": samples,
    }


def _rounded(value):
    """Four digits that count."""
    return float(f"{value:.4g}") if abs(value) < 1000 else round(value, 1)
