"""The arithmetic of the bench: percentiles, medians, bars. `./dev test` runs it; nothing here measures anything."""

import pathlib
import sys
import unittest

sys.path.insert(1, str(pathlib.Path(__file__).resolve().parents[1] / "shared"))

import bars
import plot
import programs
import report
from figures import Figures, percentile

QUIET, NOISY = {"quiet": True}, {"quiet": False}
DURABLE_MODE = "run without a queue, 64 in flight"


def filled(**ours):
    """Figures in which everything is as it should be, but for what is given."""
    figures = Figures(programs.UNITS)
    told = {"steps": 30_000, "one_step_runs": 9_000, "latency_other_p99": 3.0, "latency_same_p99": 2.0, "idle_statements": 3.0}
    for figure, value in (told | ours).items():
        mode = bars.UNLIMITED if figure in ("steps", "one_step_runs") else "LISTEN/NOTIFY"
        figures.add(figure, "ours", value, QUIET, mode)
        figures.add(figure, "ours", value, QUIET, mode, finished=1_000_000)
    figures.add("single_ratio", "ours", 0.9, QUIET)
    figures.add("steps", "dbos-rs", 5_000, QUIET, DURABLE_MODE)
    figures.add("one_step_runs", "dbos-rs", 2_000, QUIET, DURABLE_MODE)
    figures.add("one_step_runs", "apalis-postgres", 15_000, QUIET, "batch 100, 4 workers")
    figures.add("latency_other_p99", "pgqueuer", 6.4, QUIET, "LISTEN/NOTIFY")
    figures.add("latency_other_p99", "dbos-rs", 1.0, QUIET, "queue polled every 10 ms")
    figures.add("latency_same_p99", "durare", 3.2, QUIET, "start")
    figures.add("latency_same_p99", "pgqueuer", 1.0, QUIET, "LISTEN/NOTIFY")
    figures.add("floor", "pgbench", 23_000, QUIET, "one checkpoint per commit, 16 clients")
    return figures


class Arithmetic(unittest.TestCase):
    def test_a_percentile_is_a_value_that_was_measured(self):
        values = list(range(1, 201))
        self.assertEqual(percentile(values, 0.5), 100)
        self.assertEqual(percentile(values, 0.99), 198)
        self.assertEqual(percentile([7], 0.99), 7)

    def test_a_disturbed_repetition_is_kept_but_does_not_move_the_median(self):
        figures = Figures(programs.UNITS)
        for value, circumstances in ((10, QUIET), (12, QUIET), (99, NOISY)):
            figures.add("steps", "ours", value, circumstances)
        told = figures.find("steps")[0]
        self.assertEqual((told["median"], told["max"], told["quiet"], len(told["samples"])), (11, 12, True, 3))

    def test_without_a_quiet_repetition_the_median_is_over_all_and_says_so(self):
        figures = Figures(programs.UNITS)
        for value in (10, 20, 60):
            figures.add("steps", "ours", value, NOISY)
        told = figures.find("steps")[0]
        self.assertEqual((told["median"], told["quiet"]), (20, False))


class Bars(unittest.TestCase):
    def test_every_bar_holds_when_the_engine_is_as_fast_as_it_should_be(self):
        self.assertEqual([bar["name"] for bar in bars.compute(filled()) if bar["holds"] is not True], [])

    def test_there_are_nine_bars_and_none_holds_or_fails_without_figures(self):
        self.assertEqual([bar["holds"] for bar in bars.compute(Figures(programs.UNITS))], [None] * 9)

    def test_only_notified_peers_count_for_other_processes_and_only_direct_starts_for_the_same_one(self):
        other, same, *_ = bars.compute(filled())
        self.assertEqual((other["target"], same["target"]), (6.4, 3.2))

    def test_a_bar_that_is_missed_by_a_little_is_missed(self):
        missed = {
            "steps": 24_999, "one_step_runs": 7_999, "latency_other_p99": 6.4, "latency_same_p99": 3.2, "idle_statements": 4.1,
        }  # fmt: skip
        for figure, value in missed.items():
            failed = [bar for bar in bars.compute(filled(**{figure: value})) if bar["holds"] is False]
            self.assertEqual(len(failed), 1, figure)

    def test_the_cost_of_finished_runs_is_that_of_the_figure_that_suffers_most(self):
        figures = filled()
        figures.add("ten_step_runs", "ours", 100, QUIET, bars.UNLIMITED)
        figures.add("ten_step_runs", "ours", 80, QUIET, bars.UNLIMITED, finished=1_000_000)
        bar = bars.compute(figures)[7]
        self.assertEqual((bar["value"], bar["holds"]), (0.25, False))


class Report(unittest.TestCase):
    def result(self, figures):
        return {
            "measured_at": "2026-01-01T00:00:00+00:00", "seconds": {"measuring": 60}, "quick": False, "options": {"repeat": 1},
            "machine": {"processors": 2, "model": "a & b", "memory_gib": 8, "system": "Debian"},
            "versions": {"engine": "abc", "rustc": "rustc"}, "bars": bars.compute(figures), "figures": figures.told(),
            "postgres": {"server_version": "15.1 (x)", "fsync": "on", "synchronous_commit": "on"}, "not_measured": [],
        }  # fmt: skip

    def test_a_result_without_figures_can_be_drawn_and_told(self):
        result = self.result(Figures(programs.UNITS))
        self.assertIn("not measured", report.table(result))
        self.assertTrue(report.drawn(result).endswith("</svg>\n"))

    def test_every_figure_of_the_result_is_in_the_table(self):
        figures = filled()
        text = report.table(self.result(figures))
        for told in figures.told():
            self.assertIn(f"| {plot.amount(told['median'])} |", text)

    def test_every_program_has_a_kind_that_the_plot_has_a_colour_for(self):
        for program in (programs.OURS, programs.APALIS, *programs.PEERS):
            self.assertIn(program.kind, report.COLOURS)


if __name__ == "__main__":
    unittest.main()
