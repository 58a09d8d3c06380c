"""Opening a transparency log that lies in a folder or behind a URL, for checks and audits."""

from __future__ import annotations

import urllib.error
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Final

from commonworks.errors import NotFound, Unavailable
from commonworks.gateway import authorize
from commonworks.ports import Log
from commonworks.translog.tiles import Read
from commonworks.transport.client import HttpTransport
from commonworks.transport.logs import DirectoryLog, HttpLog
from commonworks.wiring.session import Session

TIMEOUT_S: Final = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSource:
    """One log, read both ways."""

    log: Log
    read: Read
    """Synchronous, for the check of tiles."""


def is_url(place: str) -> bool:
    """Tell whether a place is a URL rather than a folder."""
    return place.startswith(("http://", "https://"))


def sync_reader(place: str) -> Read:
    """Return a reader of a log's tlog-tiles resources.

    `place`: a URL, a gateway's folder, or the `log` folder itself.
    Raises: NotFound when there is no log.
    """
    if is_url(place):
        return _url_reader(place.rstrip("/"))
    folder = Path(place)
    root = folder / "log" if (folder / "log").is_dir() else folder
    if not (root / "checkpoint").is_file():
        raise NotFound(f"no log in {place}", hint="give a gateway's folder, or its URL")

    def read(path: str) -> bytes | None:
        try:
            return (root / path).read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None

    return read


def _url_reader(base: str) -> Read:
    def read(path: str) -> bytes | None:
        try:
            with urllib.request.urlopen(f"{base}/{path}", timeout=TIMEOUT_S) as answer:  # noqa: S310
                body: bytes = answer.read()
                return body
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise Unavailable(f"{base}/{path} answered {error.code}", hint="try again") from None
        except (urllib.error.URLError, OSError, ValueError, HTTPException) as error:
            cause = getattr(error, "reason", error)
            said = getattr(cause, "strerror", None) or cause
            raise Unavailable(
                f"no answer from {base} ({said})", hint="is it running? check the URL"
            ) from None

    return read


def vkey_beside(place: str) -> str | None:
    """Return the verifier key that lies beside a log in a folder, or None."""
    if is_url(place):
        return None
    for folder in (Path(place), Path(place).parent):
        if (folder / "vkey").is_file():
            return (folder / "vkey").read_text().strip()
    return None


def open_source(
    session: Session, transport: HttpTransport, place: str, log_id: bytes, reader: str | None
) -> LogSource:
    """Return a log of this network, sealed payloads included.

    Over HTTP the requests are signed by the account `reader` of this folder.
    """
    if not is_url(place):
        return LogSource(log=DirectoryLog(place), read=sync_reader(place))
    leave = None
    if reader is not None:
        account = session.home.account(reader)
        leave = authorize(account, session.network.network_id, log_id, session.clock)
    log = HttpLog(transport, place, authorization=leave)
    return LogSource(log=log, read=sync_reader(place))
