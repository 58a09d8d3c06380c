"""The Log port: a transparency log read over HTTP, or out of a gateway's folder."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Final

from commonworks.errors import InvalidInput, Unauthorized, Unavailable
from commonworks.ports import Transport
from commonworks.translog.tiles import (
    CHECKPOINT_PATH,
    ENTRIES,
    SEALED,
    TILE_WIDTH,
    TileId,
    parse_path,
    read_tile,
)

_OK: Final = 200
_NOT_FOUND: Final = 404
_UNAUTHORIZED: Final = (401, 403)

Fetch = Callable[[str], Awaitable[bytes | None]]


class HttpLog:
    """A log served at a URL. Implements `ports.Log`."""

    def __init__(
        self,
        transport: Transport,
        url: str,
        *,
        authorization: Callable[[], str] | None = None,
    ) -> None:
        """`authorization` makes the header of a signed request for sealed payloads."""
        self._transport = transport
        self._url = url.rstrip("/")
        self._authorization = authorization

    async def read(self, path: str) -> bytes | None:
        """See `ports.Log.read`. A partial tile that is gone is cut from the full one."""
        return await _read_whole(path, lambda name: self._get(name, {}))

    async def read_sealed(self, path: str) -> bytes | None:
        """See `ports.Log.read_sealed`."""
        if self._authorization is None:
            raise Unauthorized("this reader has no account to sign requests for sealed payloads")
        headers = {"authorization": self._authorization()}
        return await _read_sealed_whole(path, lambda name: self._get(name, headers))

    async def _get(self, path: str, headers: dict[str, str]) -> bytes | None:
        url = f"{self._url}/{path}"
        status, body = await self._transport.get(url, headers)
        if status == _OK:
            return body
        if status == _NOT_FOUND:
            return None
        if status in _UNAUTHORIZED:
            raise Unauthorized(f"{url} may not be read by this account", url=url)
        raise Unavailable(f"{url} answered {status}", hint="try again", url=url, status=status)


class DirectoryLog:
    """The log in a gateway's folder (`log/` and `sealed/` below it). Implements `ports.Log`."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._folder = os.fspath(folder)

    async def read(self, path: str) -> bytes | None:
        """See `ports.Log.read`. A partial tile that is gone is cut from the full one."""
        return await _read_whole(path, lambda name: self._file("log", name))

    async def read_sealed(self, path: str) -> bytes | None:
        """See `ports.Log.read_sealed`; who may open the folder may read them."""
        return await _read_sealed_whole(path, lambda name: self._file("", name))

    async def _file(self, below: str, path: str) -> bytes | None:
        return await asyncio.to_thread(_file_bytes, os.path.join(self._folder, below, path))


def _file_bytes(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None
    except OSError as error:
        raise Unavailable(f"cannot read {path}: {error.strerror or error}", path=path) from error


async def _read_whole(path: str, fetch: Fetch) -> bytes | None:
    """Fetch a checkpoint or tile; a partial tile that a log deleted is cut from the full one."""
    if path == CHECKPOINT_PATH:
        return await fetch(path)
    tile = parse_path(path)
    if tile is None:
        raise InvalidInput(f"{path} is no resource of a log", path=path)
    return await _fetch_tile(tile, fetch, lambda name: name)


async def _read_sealed_whole(path: str, fetch: Fetch) -> bytes | None:
    """The same for preimages, which are bundled as entries are."""
    tile = parse_path(ENTRIES + path.removeprefix(SEALED)) if path.startswith(SEALED) else None
    if tile is None:
        raise InvalidInput(f"{path} is no bundle of sealed payloads", path=path)
    return await _fetch_tile(tile, fetch, lambda name: SEALED + name.removeprefix(ENTRIES))


async def _fetch_tile(tile: TileId, fetch: Fetch, place: Callable[[str], str]) -> bytes | None:
    data = await fetch(place(tile.path))
    if data is not None or tile.width == TILE_WIDTH:
        return data
    full = TileId(level=tile.level, index=tile.index).path
    found = {full: await fetch(place(full))}
    return read_tile(found.get, tile)
