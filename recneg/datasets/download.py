"""Fetch one file over https: bounded, verified, and either whole at its place or not there."""

from __future__ import annotations

import http.client
import re
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from recneg.datasets.checking import check_digests, check_file
from recneg.errors import DataUnavailableError, IntegrityError
from recneg.files import atomic_path
from recneg.progress import stderr

if TYPE_CHECKING:
    from collections.abc import Iterator

    from recneg.datasets.cards import File

__all__ = ["fetch"]

ATTEMPTS = 3
PAUSE = 1.0  # seconds before the second attempt; doubles
TIMEOUT = 30.0  # seconds without a byte
SCHEMES = ("https",)
BLOCK = 1 << 18


class _Short(IntegrityError):
    """The connection ended early: worth another attempt."""


class _Bar(Protocol):
    def __call__(self, done: int, total: int | None) -> None: ...


class _SameScheme(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        _require_scheme(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def fetch(file: File, target: Path, *, progress: bool = True) -> None:
    """Download a file to `target`, trying its addresses in order.

    The bytes go to a temporary file in the target's folder, which is synced and then renamed, so
    that a killed download leaves nothing at `target`. Where the card has no checksum but the
    publisher's ``.md5`` is named, that one is read; if it cannot be, the counts that are verified
    after parsing are the only check.

    Raises
    ------
    DataUnavailableError
        If no address answers, or one leaves https.
    IntegrityError
        If what came is too long, too short, or does not match its checksum.
    """
    failures: list[str] = []
    integrity = False
    for url in file.urls:
        for attempt in range(ATTEMPTS):
            if attempt:
                time.sleep(PAUSE * 2 ** (attempt - 1))
            wrong = False
            try:
                _fetch_once(url, file, target, progress=progress)
                return
            except (DataUnavailableError, IntegrityError) as error:
                again, wrong = isinstance(error, _Short), isinstance(error, IntegrityError)
                failure = str(error)
            except urllib.error.HTTPError as error:
                again = error.code >= 500 or error.code == 429
                failure = f"{url} answered {error.code} {error.reason}"
                error.close()
            except (urllib.error.URLError, http.client.HTTPException, TimeoutError,
                    ConnectionError) as error:  # fmt: skip
                again, failure = True, f"{url}: {getattr(error, 'reason', None) or error!r}"
            if not again:
                break
        failures.append(failure)
        integrity |= wrong
    kind = IntegrityError if integrity else DataUnavailableError
    raise kind(f"{file.name} must be downloadable; {'; '.join(failures)}")


def _require_scheme(url: str) -> None:
    if url.split(":", 1)[0].lower() not in SCHEMES:
        raise DataUnavailableError(f"addresses must stay on {' or '.join(SCHEMES)}; got {url}")


def _open(url: str) -> Any:
    _require_scheme(url)
    request = urllib.request.Request(url, headers={"User-Agent": "recneg"})
    return urllib.request.build_opener(_SameScheme).open(request, timeout=TIMEOUT)


def _fetch_once(url: str, file: File, target: Path, *, progress: bool) -> None:
    published = _published_md5(file.md5_url) if file.md5 is None and file.md5_url else None
    target.parent.mkdir(parents=True, exist_ok=True)
    with _open(url) as response:
        length = response.headers.get("Content-Length")
        total = int(length) if length is not None and length.isdigit() else None
        if total is not None and total > file.limit:
            raise IntegrityError(f"{url} must send at most {file.limit} bytes; it states {total}")
        with atomic_path(target) as part:
            with part.open("wb") as stream, _bar(file.name, progress) as bar:
                done = 0
                while block := response.read(BLOCK):
                    done += len(block)
                    if done > file.limit:
                        raise IntegrityError(f"{url} must send at most {file.limit} bytes")
                    stream.write(block)
                    bar(done, total)
            if total is not None and done != total:
                raise _Short(f"{url} must send {total} bytes; got {done}")
            check_file(part, file)
            if published is not None:
                check_digests({"md5": _md5_of(part)}, {"md5": published}, url)


def _md5_of(path: Path) -> str:
    import hashlib

    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _published_md5(url: str) -> str | None:
    """Read the checksum that the publisher keeps beside the file; None if it does not answer."""
    try:
        with _open(url) as response:
            text = response.read(4096).decode("ascii", "replace")
    except (OSError, http.client.HTTPException):
        return None
    match = re.search(r"\b[0-9a-f]{32}\b", text.lower())
    return match.group() if match else None


@contextmanager
def _bar(name: str, visible: bool) -> Iterator[_Bar]:
    """Show the bytes that came on standard error."""
    if not visible:
        yield lambda done, total: None
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, TransferSpeedColumn(), console=stderr()) as shown:
        task = shown.add_task(name, total=None)
        yield lambda done, total: shown.update(task, completed=done, total=total)
