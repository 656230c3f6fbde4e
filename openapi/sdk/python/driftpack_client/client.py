"""The hand-written part: what most callers do, in the words of the product."""

import hashlib
import json
import os
import time
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Self, TypeVar
from uuid import UUID

import httpx

from .errors import ApiError, BrokenPack, PackFailed, TooSlow
from .generated.api.account import get_me
from .generated.api.audit_exports import delete_audit_export, get_audit_export, request_audit_export
from .generated.api.scans import ingest_scan
from .generated.client import AuthenticatedClient
from .generated.models import AuditExport, AuditExportRequest, ExportStatus, Me, ScanReceipt
from .generated.types import UNSET, File, Response
from .retry import Retries, RetryingTransport, retry_after

_T = TypeVar("_T")
_CI = ("repository", "branch", "commit", "run_url", "pull_request")


class Driftpack:
    """One service and one caller: `token` is a person's access token or an API key."""

    def __init__(
        self,
        base_url: str,
        token: str,
        *,
        retries: Retries = Retries(),
        timeout: float = 60.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._retries = retries
        self.api = AuthenticatedClient(
            base_url=base_url.rstrip("/"),
            token=token,
            timeout=httpx.Timeout(timeout),
            httpx_args={"transport": RetryingTransport(retries, transport)},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.api.get_httpx_client().close()

    def me(self) -> Me:
        """Who the caller is, and in which organisations."""
        return _expect(get_me.sync_detailed(client=self.api), Me)

    def organisation(self, org_id: UUID | str) -> "Organisation":
        return Organisation(self.api, self._retries, UUID(str(org_id)))


class Organisation:
    """What is done in one organisation."""

    def __init__(self, api: AuthenticatedClient, retries: Retries, org_id: UUID) -> None:
        self.id = org_id
        self._api = api
        self._retries = retries

    def ingest(
        self,
        scan: bytes | str | Path,
        *,
        state_source: str,
        observed_at: datetime | None = None,
        ci: Mapping[str, str] = {},
    ) -> ScanReceipt:
        """Hands in a scan: a file's path, or its bytes. The same scan twice is one scan.

        `ci` may name `repository`, `branch`, `commit`, `run_url` and `pull_request`.
        """
        unknown = set(ci) - set(_CI)
        if unknown:
            raise ValueError(f"ci has no {', '.join(sorted(unknown))}; it has {', '.join(_CI)}")
        content = scan if isinstance(scan, bytes) else Path(scan).read_bytes()
        response = ingest_scan.sync_detailed(
            self.id,
            client=self._api,
            body=File(payload=content),  # type: ignore[arg-type]  # bytes can be sent again, a stream cannot
            state_source=state_source,
            observed_at=observed_at or UNSET,
            **{f"x_driftpack_ci_{name}": value for name, value in ci.items()},
        )
        return _expect(response, ScanReceipt)

    def request_pack(
        self, period_start: datetime, period_end: datetime, *, idempotency_key: str | None = None
    ) -> AuditExport:
        """Requests a pack of `period_start <= t < period_end`, once, however often it has to be asked for.

        Pass a key of your own to be answered with the same pack after your program was restarted, too.
        """
        response = request_audit_export.sync_detailed(
            self.id,
            client=self._api,
            body=AuditExportRequest(period_start=period_start, period_end=period_end),
            idempotency_key=idempotency_key or str(uuid.uuid4()),
        )
        return _expect(response, AuditExport)

    def pack(self, pack_id: UUID | str) -> AuditExport:
        return _expect(get_audit_export.sync_detailed(self.id, UUID(str(pack_id)), client=self._api), AuditExport)

    def wait_until_done(
        self,
        pack_id: UUID | str,
        *,
        seconds: float = 600.0,
        every: float = 1.0,
        on_progress: Callable[[AuditExport], None] = lambda row: None,
    ) -> AuditExport:
        """The row of the pack once it is done. Raises `PackFailed` when it never will be, `TooSlow` when time is up."""
        deadline = time.monotonic() + seconds
        while True:
            row = self.pack(pack_id)
            on_progress(row)
            if row.status is ExportStatus.DONE:
                return row
            if row.status not in (ExportStatus.PENDING, ExportStatus.RUNNING):
                raise PackFailed(row)
            left = deadline - time.monotonic()
            if left <= 0:
                raise TooSlow(row, seconds)
            time.sleep(min(every, left))

    def download_to(self, pack_id: UUID | str, target: str | Path) -> Path:
        """Downloads a pack into a folder, under its own name, or to a file.

        The file appears when it is whole and has the SHA-256 of the pack's row. A download that is cut goes on where it was.
        """
        row = self.pack(pack_id)
        path = Path(target)
        if path.is_dir():
            # the last part alone: no name leads out of the folder
            path = path / (Path(row.file_name or "").name or f"{row.id}.zip")
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            self._fetch(row, part)
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)
        return path

    def _fetch(self, row: AuditExport, part: Path) -> None:
        digest, attempt = hashlib.sha256(), 0
        with part.open("wb") as file:
            while True:
                attempt += 1
                try:
                    self._continue(row, file, digest)
                    break
                except httpx.TransportError:
                    wait = self._retries.wait(attempt, None)
                    if wait is None:
                        raise
                    time.sleep(wait)
            file.flush()
            os.fsync(file.fileno())
        if digest.hexdigest() != row.sha256:
            raise BrokenPack(f"the download of {row.id} has another SHA-256 than its row says")

    def _continue(self, row: AuditExport, file: Any, digest: Any) -> None:
        """Appends what is missing."""
        have = file.tell()
        if have and have == row.size_bytes:
            return
        headers = {"Range": f"bytes={have}-", "If-Range": f'"{row.sha256}"'} if have else {}
        url = f"/api/v2/orgs/{self.id}/audit-exports/{row.id}/download"
        with self._api.get_httpx_client().stream("GET", url, headers=headers) as response:
            if response.status_code != (206 if have else 200):
                response.read()
                raise _error(response.status_code, response)
            for chunk in response.iter_bytes():
                file.write(chunk)
                digest.update(chunk)

    def delete_pack(self, pack_id: UUID | str) -> None:
        response = delete_audit_export.sync_detailed(self.id, UUID(str(pack_id)), client=self._api)
        if response.status_code != 204:
            raise _error(response.status_code, response)


def _expect(response: Response[Any], kind: type[_T]) -> _T:
    if isinstance(response.parsed, kind):
        return response.parsed
    raise _error(response.status_code, response)


def _error(status: int, response: Any) -> ApiError:
    try:
        body = json.loads(response.content)
    except ValueError:
        body = None
    return ApiError(int(status), body, retry_after(response))
