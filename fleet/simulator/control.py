"""The socket by which the shims in a session's PATH reach the simulator."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import socket
import sys
from pathlib import Path

from fleet.simulator import root, shim
from fleet.simulator.running import RunningMachine

_LARGEST_FIELD = 4 << 20


def write_shims(folder: Path, control: Path) -> None:
    """Write the commands a session finds first; ``control`` is the folder of the socket."""
    folder.mkdir()
    for name in root.NAMES:
        words = (sys.executable, "-I", "-S", shim.__file__, str(control), name)
        file = folder / name
        file.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n', encoding="utf-8")
        file.chmod(0o755)


class Control:
    """Listens for shims and runs what they ask for."""

    def __init__(self, host: RunningMachine, folder: Path) -> None:
        self._host = host
        self._folder = folder
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen."""
        listener = socket.socket(socket.AF_UNIX)
        with contextlib.chdir(self._folder):
            listener.bind("control")
        self._server = await asyncio.start_unix_server(self._serve, sock=listener)

    def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            argv = os.fsdecode(await _field(reader)).split("\0")
            stdin = await _field(reader)
            command = asyncio.create_task(self._run(argv, stdin, writer))
            gone = asyncio.create_task(reader.read())
            await asyncio.wait({command, gone}, return_when=asyncio.FIRST_COMPLETED)
            for task in (command, gone):
                task.cancel()
            await asyncio.gather(command, gone, return_exceptions=True)
            await writer.drain()
        writer.close()

    async def _run(self, argv: list[str], stdin: bytes, writer: asyncio.StreamWriter) -> None:
        def write(stream: int, data: bytes) -> None:
            writer.write(b"%d" % stream + len(data).to_bytes(4, "big") + data)

        status = b"%d" % await root.execute(self._host, argv, stdin, write)
        writer.write(b"x" + len(status).to_bytes(4, "big") + status)


async def _field(reader: asyncio.StreamReader) -> bytes:
    size = int.from_bytes(await reader.readexactly(4), "big")
    if size > _LARGEST_FIELD:
        raise ConnectionError("a field of a request is too large")
    return await reader.readexactly(size)
