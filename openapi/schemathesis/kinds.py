"""What schemathesis cannot know of our kinds of values: how a stream of lines is sent, which times there are, and that a key of
a request is of one request."""

import re
from datetime import UTC, datetime
from uuid import uuid4

import schemathesis
from hypothesis import strategies


@schemathesis.serializer("application/x-ndjson")
def lines(_context, value):
    return value if isinstance(value, bytes) else str(value).encode()


# RFC 3339 begins with the year 0; the service knows 1970 to 9999, and says so when it refuses.
TIMES = strategies.datetimes(datetime(1970, 1, 2), datetime(9999, 12, 30), timezones=strategies.just(UTC))
schemathesis.openapi.format("date-time", TIMES.map(lambda time: time.isoformat().replace("+00:00", "Z")))


@schemathesis.hook
def before_call(_context, case, _kwargs):
    """A key that came before brings back the answer of then, be it of something that was deleted since: each request has its own.
    What is no key stays as it is."""
    for name in [name for name in case.headers or {} if name.lower() == "idempotency-key"]:
        if re.fullmatch(r"[!-~]{1,255}", str(case.headers[name])):
            case.headers[name] = str(uuid4())
