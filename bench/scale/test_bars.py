"""The arithmetic of the bench of growth. `./dev test` runs it; nothing here measures anything."""

import pathlib
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[1:1] = [str(HERE.parent / "shared"), str(HERE.parent / "pack")]

import bars
import report
import visitor
from figures import Figures

QUIET = {"foreign": 0.0, "quiet": True}
GOOD = {
    ("page_p99", "Findings"): 20.0, ("page_p99", "Runs"): 49.0, ("page_p50", "Findings"): 9.0, ("page_p50", "Runs"): 12.0,
    ("first_page", "gzip"): 80.0, ("crowd_pack", "alone"): 1.0, ("crowd_pack", "among many"): 1.2, ("crowd_blocks", "alone"): 1000.0,
    ("crowd_blocks", "among many"): 1100.0, ("twice", "2 workers"): 0.0, ("drain_peak", "2 workers"): 90.0, ("queue_peak", "10,000"): 120.0,
    ("fair", "200 small"): 0.95, ("renderers", "24 packs"): 1.0,
}  # fmt: skip


def filled(**changed):
    figures = Figures(bars.UNITS)
    for (figure, mode), value in GOOD.items():
        figures.add(figure, "ours", changed.get(figure, value), QUIET, mode)
    return figures


def missed(figures):
    return [bar["name"] for bar in bars.compute(figures) if not bar["holds"]]


class Bars(unittest.TestCase):
    def test_all_hold_when_everything_is_as_it_should_be(self):
        self.assertEqual(missed(filled()), [])

    def test_nothing_measured_is_neither_held_nor_missed(self):
        self.assertEqual({bar["holds"] for bar in bars.compute(Figures(bars.UNITS))}, {None})

    def test_each_is_missed_just_beyond_its_bar(self):
        for name, value in {"page_p99": 50.1, "first_page": 101, "twice": 1, "queue_peak": 201, "fair": 0.89, "renderers": 2}.items():
            with self.subTest(name):
                self.assertEqual(len(missed(filled(**{name: value}))), 1)

    def test_a_crowd_is_compared_with_the_same_organisation_alone(self):
        figures = Figures(bars.UNITS)
        figures.add("crowd_pack", "ours", 1.0, QUIET, "alone")
        figures.add("crowd_pack", "ours", 1.3, QUIET, "among many")
        self.assertEqual(missed(figures)[0:1] + [bar["value"] for bar in bars.compute(figures) if bar["holds"] is False],
                         ["slowest page, p99 of the time to its last byte", 1.3])  # fmt: skip


class Report(unittest.TestCase):
    def test_the_table_and_the_plot_hold_every_figure(self):
        figures = filled()
        machine = {"processors": 2, "model": "x", "memory_gib": 4, "system": "y"}
        result = {
            "measured_at": "2026-01-01T00:00:00+00:00", "seconds": 60, "machine": machine, "versions": {"driftpack": "a", "rustc": "b"},
            "postgres": {"server_version": "15.1", "fsync": "on"}, "bars": bars.compute(figures), "figures": figures.told(),
            "sizes": {"rows": 1, "runs": 2, "orgs": 3, "findings": 4, "queue": 5}, "blocks": {"scans": (7, 8)}, "not_measured": {},
        }  # fmt: skip
        text = report.table(result)
        for told in ("| Findings | 9.00 | 20.0 |", "| `scans` | 7 | 8 |", "holds", "crowd pack (s) | among many"):
            self.assertIn(told, text)
        self.assertIn("<svg", report.drawn(result))


class Forms(unittest.TestCase):
    def test_a_form_is_found_with_what_it_hides(self):
        form = visitor.Form()
        form.feed('<form action="/a"><input type="hidden" name="x" value="1&amp;2"><input name="email"></form><form action="/b">')
        self.assertEqual((form.action, form.hidden), ("/a", {"x": "1&2"}))


if __name__ == "__main__":
    unittest.main()
