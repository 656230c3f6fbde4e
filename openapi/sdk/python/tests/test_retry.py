"""What is tried again, what is not, and for how long."""

import unittest

import httpx

from driftpack_client import Retries
from driftpack_client.retry import RetryingTransport


class Scripted(httpx.BaseTransport):
    """Answers with one step after the other."""

    def __init__(self, *steps):
        self.steps = list(steps)

    def handle_request(self, request):
        step = self.steps.pop(0)
        if isinstance(step, Exception):
            raise step
        status, headers = step if isinstance(step, tuple) else (step, {})
        return httpx.Response(status, headers=headers)


class Retry(unittest.TestCase):
    def send(self, method, *steps, path="/api/v2/me", headers=None, retries=Retries()):
        self.waits = []
        self.script = Scripted(*steps)
        transport = RetryingTransport(retries, self.script, self.waits.append)
        with httpx.Client(transport=transport, base_url="http://service") as client:
            return client.request(method, path, headers=headers).status_code

    def test_a_busy_service_is_asked_again_when_it_says(self):
        self.assertEqual(self.send("GET", (503, {"retry-after": "3"}), 200), 200)
        self.assertEqual(self.waits, [3.0])

    def test_a_cut_connection_is_made_again(self):
        self.assertEqual(self.send("GET", httpx.ReadError("cut"), httpx.ConnectError("refused"), 200), 200)
        self.assertTrue(0 < self.waits[0] <= 0.25 < self.waits[1] * 2 + 0.26)

    def test_it_ends(self):
        self.assertEqual(self.send("GET", *[503] * 5), 503)
        self.assertEqual(len(self.waits), 4)
        with self.assertRaises(httpx.ReadError):
            self.send("GET", *[httpx.ReadError("cut")] * 5)

    def test_a_limit_of_hours_is_an_answer(self):
        self.assertEqual(self.send("GET", (429, {"retry-after": "7200"})), 429)
        self.assertEqual(self.waits, [])

    def test_refusals_are_answers(self):
        for status in (400, 401, 403, 404, 409, 422, 500):
            self.assertEqual(self.send("GET", status), status)

    def test_what_might_be_done_twice_is_not_repeated(self):
        self.assertEqual(self.send("POST", 503), 503)
        with self.assertRaises(httpx.ReadError):
            self.send("POST", httpx.ReadError("cut"))
        self.assertEqual(self.send("POST", httpx.ConnectError("never sent"), 201), 201)

    def test_a_key_or_a_scan_may_be_repeated(self):
        self.assertEqual(self.send("POST", 503, 202, headers={"Idempotency-Key": "k"}), 202)
        self.assertEqual(self.send("POST", 503, 201, path="/api/v2/orgs/x/scans"), 201)


if __name__ == "__main__":
    unittest.main()
