"""What schemathesis cannot know of our kinds of values: how a stream of lines is sent, and which times there are."""

from datetime import UTC, datetime

import schemathesis
from hypothesis import strategies


@schemathesis.serializer("application/x-ndjson")
def lines(_context, value):
    return value if isinstance(value, bytes) else str(value).encode()


# RFC 3339 begins with the year 0; the service knows 1970 to 9999, and says so when it refuses.
TIMES = strategies.datetimes(datetime(1970, 1, 2), datetime(9999, 12, 30), timezones=strategies.just(UTC))
schemathesis.openapi.format("date-time", TIMES.map(lambda time: time.isoformat().replace("+00:00", "Z")))
