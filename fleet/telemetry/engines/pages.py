"""The pages of a model's own endpoint, asked through its host's connection, each by a deadline."""

from __future__ import annotations

import asyncio
import json
import zlib
from http import HTTPStatus
from typing import Any

from fleet.errors import EndpointError
from fleet.http import HttpAnswer
from fleet.ssh.http import BODY_LIMIT
from fleet.ssh.probe_only import ProbeOnly

DEADLINE_SECONDS = 5.0
_GZIP = b"\x1f\x8b"
_MOVED = (
    HTTPStatus.MOVED_PERMANENTLY,
    HTTPStatus.FOUND,
    HTTPStatus.TEMPORARY_REDIRECT,
    HTTPStatus.PERMANENT_REDIRECT,
)


class Pages:
    """What one endpoint has to say. Every method raises UnreachableError where the host itself is not reached."""

    def __init__(self, connection: ProbeOnly, url: str, deadline: float = DEADLINE_SECONDS) -> None:
        """Nothing is asked yet.

        Args:
            connection: That of the endpoint's host.
            url: The endpoint's own, or that of its OpenAI API below it.
            deadline: Seconds any page may take.
        """
        self._connection = connection
        self._url = url.rstrip("/").removesuffix("/v1")
        self._deadline = deadline

    async def get(self, path: str) -> HttpAnswer:
        """GET a page.

        Raises:
            TimeoutError: Something listens there and takes its time.
            EndpointError: Nothing does, or nothing that speaks HTTP.
        """
        async with asyncio.timeout(self._deadline):
            return await self._connection.get(self._url + path, timeout=2 * self._deadline)

    async def text(self, path: str) -> str | None:
        """A page that is there and can be read; None else.

        A redirect is followed to the same page with a slash at its end, where some servers send their callers, and
        nowhere else: where it leads is the endpoint's to say, and it may lead anywhere.
        """
        try:
            answer = await self.get(path)
            if answer.status in _MOVED and not path.endswith("/"):
                answer = await self.get(f"{path}/")
        except (EndpointError, TimeoutError):
            return None
        return _unpacked(answer.body).decode("utf-8", "replace") if answer.status == HTTPStatus.OK else None

    async def data(self, path: str) -> Any:
        """A page's JSON; None where there is none."""
        text = await self.text(path)
        try:
            return None if text is None else json.loads(text)
        except (ValueError, RecursionError):
            return None


def _unpacked(body: bytes) -> bytes:
    """A body some proxy compressed though it was not asked to, as far as it is not larger than any may be."""
    if not body.startswith(_GZIP):
        return body
    try:
        return zlib.decompressobj(wbits=31).decompress(body, BODY_LIMIT)
    except zlib.error:
        return b""
