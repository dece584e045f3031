"""The engines' ports: HTTP servers on ephemeral loopback ports, and which stands for which declared port."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from http import HTTPStatus

from fleet.simulator.api import Reply, respond
from fleet.simulator.physics import Run
from fleet.simulator.running import RunningMachine

_LARGEST_HEAD, _LARGEST_BODY = 16_384, 1 << 20


class Endpoints:
    """One server for every service that listens; they come and go with the services."""

    def __init__(self, host: RunningMachine) -> None:
        self._host = host
        self._servers: dict[int, tuple[Run, asyncio.Server]] = {}

    async def run(self) -> None:
        """Keep servers and services in step until cancelled."""
        try:
            while True:
                await self.settle()
                await self._host.next_change()
        finally:
            for port in list(self._servers):
                self._close(port)

    async def settle(self) -> None:
        """Open and close servers so that just those services listen that should."""
        wanted = {run.port: run for run in self._host.machine.runs.values() if run.answers and run.port}
        for port, (run, _) in list(self._servers.items()):
            if wanted.get(port) is not run:
                self._close(port)
        for port, run in wanted.items():
            if port not in self._servers:
                server = await asyncio.start_server(
                    partial(_serve, run),
                    "127.0.0.1",
                    0,
                    limit=_LARGEST_HEAD,
                )
                self._servers[port] = run, server

    def real_port(self, declared: int) -> int | None:
        """The ephemeral port behind a declared one; None where nothing listens."""
        found = self._servers.get(declared)
        return int(found[1].sockets[0].getsockname()[1]) if found else None

    def _close(self, port: int) -> None:
        _, server = self._servers.pop(port)
        server.close()


async def _serve(run: Run, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    gone = (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError)
    with suppress(*gone):  # the client went away, or speaks no HTTP
        while await _exchange(run, reader, writer):
            continue
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


async def _exchange(run: Run, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """One request and its answer; whether the connection stays open."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    words = head[0].split(" ")
    fields = {key.lower(): value.strip() for key, _, value in (line.partition(":") for line in head[1:])}
    length = fields.get("content-length", "0")
    if len(words) != 3 or not length.isdigit() or int(length) > _LARGEST_BODY:
        _write(writer, Reply(HTTPStatus.BAD_REQUEST), stays=False)
        return False
    body = await reader.readexactly(int(length))
    stays = fields.get("connection", "").lower() != "close" and run.answers
    _write(writer, respond(run, words[0], words[1], body) if run.answers else Reply(503), stays=stays)
    await writer.drain()
    return stays


def _write(writer: asyncio.StreamWriter, reply: Reply, *, stays: bool) -> None:
    head = (
        f"HTTP/1.1 {reply.status} {HTTPStatus(reply.status).phrase}\r\n"
        f"content-type: {reply.content_type}\r\n"
        f"content-length: {len(reply.body)}\r\n"
        f"connection: {'keep-alive' if stays else 'close'}\r\n\r\n"
    )
    writer.write(head.encode() + reply.body)
