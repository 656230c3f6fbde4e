"""Trying again, where that can neither do harm nor be in vain."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

import httpx

# Nothing was done, or what was done is done only once. 503 and 429 say so; the others are a gateway's words.
_PASSING = {408, 429, 502, 503, 504}
_REPEATABLE = {"GET", "HEAD", "OPTIONS", "DELETE"}


@dataclass(frozen=True)
class Retries:
    """At most `tries` attempts, and no wait longer than `longest_wait` seconds.

    A service that asks for more patience than that (the limit of packs a day may ask for hours) is refusing:
    its answer is handed on at once.
    """

    tries: int = 5
    first_wait: float = 0.25
    longest_wait: float = 20.0

    def wait(self, attempt: int, retry_after: float | None) -> float | None:
        """Seconds before the next attempt; `None` when there is none."""
        if attempt >= self.tries:
            return None
        if retry_after is not None:
            return retry_after if retry_after <= self.longest_wait else None
        # clients that were cut off together must not come back together
        return min(self.longest_wait, self.first_wait * 2 ** (attempt - 1)) * random.uniform(0.5, 1.0)


class RetryingTransport(httpx.BaseTransport):
    """Sends a request again if it may be repeated: by its method, by an Idempotency-Key, or because it hands in a scan,
    which the service takes once however often it comes."""

    def __init__(
        self,
        retries: Retries,
        inner: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._retries = retries
        self._inner = inner or httpx.HTTPTransport()
        self._sleep = sleep

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        attempt = 0
        while True:
            attempt += 1
            try:
                response = self._inner.handle_request(request)
            except httpx.TransportError as error:
                was_sent = not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
                wait = self._retries.wait(attempt, None)
                if wait is None or (was_sent and not _may_repeat(request)):
                    raise
            else:
                if response.status_code not in _PASSING or not _may_repeat(request):
                    return response
                wait = self._retries.wait(attempt, retry_after(response))
                if wait is None:
                    return response
                response.close()
            self._sleep(wait)

    def close(self) -> None:
        self._inner.close()


def retry_after(response: httpx.Response) -> float | None:
    """Seconds, if the service named them."""
    try:
        return max(0.0, float(response.headers["retry-after"]))
    except (KeyError, ValueError):
        return None


def _may_repeat(request: httpx.Request) -> bool:
    is_scan = request.method == "POST" and request.url.path.endswith("/scans")
    return request.method in _REPEATABLE or "idempotency-key" in request.headers or is_scan
