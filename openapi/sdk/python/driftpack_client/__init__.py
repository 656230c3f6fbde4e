"""driftpack for Python: scans in, Compliance Packs out.

`Driftpack` is the hand-written part: retries, waiting, downloads that go on where they were cut, checks. Every operation of
the API, typed, is in `driftpack_client.generated.api`; the functions there take `Driftpack.api` as their `client` and share
its retries.
"""

from .client import Driftpack, Organisation
from .errors import ApiError, BrokenPack, PackFailed, TooSlow
from .retry import Retries
from .verify import verify, verify_with_program

__all__ = [
    "ApiError",
    "BrokenPack",
    "Driftpack",
    "Organisation",
    "PackFailed",
    "Retries",
    "TooSlow",
    "verify",
    "verify_with_program",
]
