"""What counts as failed, and which versions a database can come from."""

import pathlib
import sys
import unittest
import urllib.error

sys.path[1:1] = [str(pathlib.Path(__file__).resolve().parents[2] / "bench" / "shared")]

import checks
import load
import versions


class Outcome(unittest.TestCase):
    def test_a_server_that_is_told_to_end_may_refuse(self):
        refused = urllib.error.URLError(ConnectionRefusedError(111, "Connection refused"))
        self.assertEqual(load.outcome(refused, None, True), "refused")
        self.assertEqual(load.outcome(ConnectionResetError(), None, True), "reset")
        self.assertEqual(load.outcome(None, 503, True), "503")
        self.assertEqual(load.outcome(None, 503, False, True), "503")

    def test_any_other_server_may_not(self):
        for error, status in ((ConnectionRefusedError(), None), (ConnectionResetError(), None), (None, 503)):
            self.assertTrue(load.outcome(error, status, False).startswith("failed"))

    def test_nobody_may_answer_with_an_error_or_not_at_all(self):
        for error, status in ((None, 500), (None, 404), (None, 429), (TimeoutError(), None)):
            self.assertTrue(load.outcome(error, status, True).startswith("failed"))
        self.assertEqual(load.outcome(None, 201, True), "ok")


class Versions(unittest.TestCase):
    def test_a_database_comes_from_what_only_lacks_migrations(self):
        earlier, now = {"1.sql": "a"}, {"1.sql": "a", "2.sql": "b"}
        self.assertEqual(versions.compared(earlier, now), (["2.sql"], []))

    def test_what_reads_otherwise_today_or_is_gone_is_told(self):
        self.assertEqual(versions.compared({"1.sql": "x", "3.sql": "c"}, {"1.sql": "a"}), ([], ["1.sql", "3.sql"]))

    def test_the_dump_of_the_schema_is_no_migration(self):
        self.assertFalse(versions.is_migration("migrations/schema.sql"))
        self.assertTrue(versions.is_migration("migrations/20261124000001_app_role.sql"))


class WentOn(unittest.TestCase):
    class Fleet:
        def __init__(self, steps, epochs):
            self.answers = [steps, epochs]

        def sql(self, _):
            return self.answers.pop(0)

    SWAP = ({"r": {("1", "collect", "1", "12:00")}}, {"r": 1})

    def test_a_step_that_stands_as_it_was_was_not_done_again(self):
        fleet = self.Fleet("r|1|collect|1|12:00\nr|2|seal|1|12:05", "r|2")
        self.assertEqual(checks.went_on(fleet, self.SWAP), (1, 1, []))

    def test_a_step_that_ended_anew_was(self):
        runs, taken, again = checks.went_on(self.Fleet("r|1|collect|2|12:03", "r|1"), self.SWAP)
        self.assertEqual((runs, taken, len(again)), (1, 0, 1))


if __name__ == "__main__":
    unittest.main()
