"""A webhook on loopback that keeps what it is sent."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from web import page

TOKEN = "T0KEN-THAT-NOBODY-SEES"


@dataclass
class Receiver:
    """A server on loopback that answers in turn what it is told, the last for ever, and keeps what it was sent."""

    answers: list[bytes] = field(default_factory=lambda: [page(b"ok")])
    taken: list[Any] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/services/{TOKEN}?key={TOKEN}"


@asynccontextmanager
async def receiving(receiver: Receiver) -> AsyncIterator[Receiver]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = next(
            int(line.split(":")[1]) for line in head.splitlines() if line.lower().startswith("content-length")
        )
        receiver.heads.append(head)
        receiver.taken.append(json.loads(await reader.readexactly(length)))
        writer.write(receiver.answers.pop(0) if len(receiver.answers) > 1 else receiver.answers[0])
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
