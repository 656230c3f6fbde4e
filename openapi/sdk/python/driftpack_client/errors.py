"""What can go wrong, by what to do about it."""

from typing import Any


class ApiError(Exception):
    """The service refused. `code` is for programs and never changes; `context` holds what else it said."""

    def __init__(self, status: int, body: Any, retry_after: float | None = None) -> None:
        context = dict(body) if isinstance(body, dict) else {}
        self.status = status
        self.code: str = context.pop("error", "unknown")
        self.message: str = context.pop("message", "")
        self.context: dict[str, Any] = context
        self.retry_after = retry_after
        super().__init__(f"{self.message or 'The service refused.'} ({self.code}, HTTP {status})")


class PackFailed(Exception):
    """The pack will never be done: it failed, expired or was deleted. `row` is its last state."""

    def __init__(self, row: Any) -> None:
        self.row = row
        reason = f": {row.error.message} ({row.error.code})" if row.error else ""
        super().__init__(f"The pack {row.id} is {row.status.value}{reason}.")


class TooSlow(Exception):
    """The pack is not done in time; it is still being built, and waiting again is safe. `row` is its last state."""

    def __init__(self, row: Any, seconds: float) -> None:
        self.row = row
        super().__init__(f"The pack {row.id} is still {row.status.value} after {seconds:.0f} seconds.")


class BrokenPack(Exception):
    """The file is not what the service made."""
