"""An HTTP server on loopback that answers instant queries as a test says."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

Reply = tuple[int, bytes] | None
"""Status and body; None = close the connection without a word."""


@dataclass(slots=True)
class Stub:
    """What it answers, and what it was asked."""

    reply: Callable[[str], Reply]
    """By query; to be replaced while it serves."""
    url: str = ""
    heads: list[str] = field(default_factory=list)
    """Of every request: its first line and headers."""


def vector_body(result: Sequence[Any]) -> bytes:
    """The body of a good answer."""
    return json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}}).encode()


@asynccontextmanager
async def stub(reply: Callable[[str], Reply], tls: ssl.SSLContext | None = None) -> AsyncIterator[Stub]:
    """Serve until the end of the block."""
    serving = Stub(reply)

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            serving.heads.append(head)
            (query,) = parse_qs(urlsplit(head.split()[1]).query)["query"]
            answer = serving.reply(query)
            if answer is not None:
                status, body = answer
                phrase = HTTPStatus(status).phrase
                writer.write(f"HTTP/1.1 {status} {phrase}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client has had enough
        finally:
            writer.close()

    server = await asyncio.start_server(converse, "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    serving.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
    async with server:
        yield serving
