"""The arithmetic of the bench of packs. `./dev test` runs it; nothing here measures anything."""

import datetime
import pathlib
import sys
import unittest

sys.path.insert(1, str(pathlib.Path(__file__).resolve().parents[1] / "shared"))

import bars
import floor
import profiles
import report
from figures import Figures

QUIET = {"foreign": 0.0, "quiet": True}
GOOD = {
    ("pack", "typical"): 1.0, ("pack", "enterprise"): 12.0, ("pack", "x10"): 125.0, ("floor", "enterprise"): 30.0,
    ("worker_peak", "typical"): 80.0, ("worker_peak", "enterprise"): 100.0, ("worker_peak", "x10"): 104.0,
    ("per_row", "enterprise"): 6.0, ("per_row", "x10"): 6.3, ("chain_verify", "enterprise"): 2.0, ("chain_floor", "enterprise"): 1.8,
    ("chain_rate", "enterprise"): 900_000.0, ("appends", "typical"): 1_400.0,
}  # fmt: skip


def filled(**changed):
    figures = Figures(bars.UNITS)
    for (figure, profile), value in GOOD.items():
        figures.add(figure, "ours", changed.get(f"{figure}_{profile}", value), QUIET, profile)
    return figures


def missed(figures):
    return [bar["name"] for bar in bars.compute(figures, 10) if not bar["holds"]]


class Bars(unittest.TestCase):
    def test_all_hold_when_everything_is_as_it_should_be(self):
        self.assertEqual(missed(filled()), [])

    def test_nothing_measured_is_neither_held_nor_missed(self):
        self.assertEqual({bar["holds"] for bar in bars.compute(Figures(bars.UNITS), 10)}, {None})

    def test_each_is_missed_just_beyond_its_bar(self):
        beyond = {
            "pack_typical": 1.51, "worker_peak_x10": 201.0, "per_row_x10": 6.7, "chain_verify_enterprise": 2.8,
            "chain_rate_enterprise": 499_000.0, "appends_typical": 999.0,
        }  # fmt: skip
        for name, value in beyond.items():
            with self.subTest(name):
                self.assertTrue(missed(filled(**{name: value})))

    def test_enterprise_is_held_to_the_floor_and_to_the_clock(self):
        self.assertEqual(missed(filled(pack_enterprise=14.0, floor_enterprise=19.0)), ["enterprise: against the floor pipeline"])
        self.assertIn("enterprise: accepted request to done", missed(filled(pack_enterprise=15.1)))

    def test_figures_of_an_earlier_run_are_taken_over(self):
        before, figures = filled().told(), Figures(bars.UNITS)
        figures.restore(before)
        self.assertEqual(figures.told(), before)


class Profiles(unittest.TestCase):
    def test_sources_make_the_scans(self):
        for profile in profiles.known(1, 10):
            made = profile.sources * profile.days * profiles.SCANS_PER_DAY
            self.assertLess(abs(made - profile.scans), 0.02 * profile.scans, profile.name)

    def test_a_period_is_over(self):
        today = datetime.date(2026, 11, 26)
        for profile in profiles.known(1, 10):
            starts, ends = profile.period(today)
            self.assertLessEqual(ends, today)
            self.assertEqual((ends - starts).days, profile.days)

    def test_the_largest_grows_with_what_it_is_told(self):
        self.assertEqual(profiles.known(0.1, 3)[2].findings, 300_000)


class Floor(unittest.TestCase):
    def test_parameters_are_put_in_their_places(self):
        query = {"sql": "select $1, $2 where x = $1", "parameters": {"$1": "a'b", "$2": "2026-01-01T00:00:00Z"}}
        self.assertEqual(floor.asked(query), "select 'a''b', '2026-01-01T00:00:00Z' where x = 'a''b'")


class Report(unittest.TestCase):
    def test_everything_is_drawn_and_told(self):
        figures = filled()
        result = {
            "measured_at": "2026-11-26T00:00:00+00:00", "seconds": 600, "scale": 0.5, "growth": 10,
            "profiles": [profile.told() for profile in profiles.known(1, 10)],
            "machine": {"processors": 2, "model": "x", "memory_gib": 4, "system": "y"},
            "versions": {"driftpack": "abc", "rustc": "rustc 1.95.0"}, "postgres": {"server_version": "15.1", "fsync": "on"},
            "bars": bars.compute(figures, 10), "steps": {"enterprise": {"collect": 9.0}}, "figures": figures.told(),
            "not_measured": {"x10": "no room"},
        }  # fmt: skip
        drawn, table = report.drawn(result), report.table(result)
        self.assertIn("</svg>", drawn)
        for words in ("holds", "0.5 times as large", "no room", "collect"):
            self.assertIn(words, table)


if __name__ == "__main__":
    unittest.main()
