"""An engine's web server on loopback that answers what it is told, and keeps what it was asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass
class Web:
    """Pages by path; a path without a query answers for all queries. What is not there is a 404."""

    pages: dict[str, bytes] = field(default_factory=dict)
    """Whole answers, from the status line on: see `page`."""
    asked: list[str] = field(default_factory=list)
    url: str = ""
    before: Callable[[str], Awaitable[None]] | None = None
    """Awaited with the path before each answer."""


def page(body: str | bytes = b"", status: str = "200 OK", *headers: str) -> bytes:
    """An answer with its length said."""
    raw = body.encode() if isinstance(body, str) else body
    lines = (f"HTTP/1.1 {status}", f"Content-Length: {len(raw)}", *headers, "", "")
    return "\r\n".join(lines).encode() + raw


@asynccontextmanager
async def serving(web: Web) -> AsyncIterator[Web]:
    """Serve until the end of the block, on a port of its own."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            path = (await reader.readuntil(b"\r\n\r\n")).split(b" ")[1].decode()
            web.asked.append(path)
            if web.before is not None:
                await web.before(path)
            writer.write(web.pages.get(path) or web.pages.get(path.partition("?")[0]) or page(b"", "404 Not Found"))
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    listener = await asyncio.start_server(answer, "127.0.0.1", 0)
    web.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        yield web
    finally:
        listener.close()
