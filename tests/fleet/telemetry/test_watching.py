"""A watcher publishes what is known of a host, says when it is not, and comes back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import pytest
from openssh import MISSING, SshServer, openssh_server
from watching import is_, watched

from fleet.commands import Answer, Read, Write
from fleet.errors import UnreachableError
from fleet.inventory import Host
from fleet.model import Engine, Model, Place
from fleet.readings import HostSnapshot, Link
from fleet.ssh.connection import HostConnection
from fleet.ssh.operator import Operator
from fleet.ssh.probe_only import ProbeOnly
from fleet.telemetry.board import Board
from fleet.telemetry.watcher import HostWatcher

HOST = Host("gpu01", "gpu01", "MI300X", 8)
BOOT_ID = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
openssh = pytest.mark.skipif(bool(MISSING), reason=MISSING)


class TestBoard:
    async def test_it_shows_the_newest_and_tells_subscribers(self) -> None:
        board = Board()
        told: list[HostSnapshot] = []
        unsubscribe = board.subscribe(told.append)
        first, second = HostSnapshot("a", Link.CONNECTING), HostSnapshot("a", Link.LIVE)
        board.publish(first)
        unsubscribe()
        board.publish(second)
        assert (board.latest("a"), board.latest("b"), told) == (second, None, [first])

    async def test_waiting_sees_what_is_there_and_what_comes(self) -> None:
        board = Board()
        board.publish(HostSnapshot("a", Link.CONNECTING))
        waiting = asyncio.create_task(board.until("a", lambda seen: seen.link is Link.LIVE, 5))
        await asyncio.sleep(0)
        board.publish(HostSnapshot("b", Link.LIVE))
        board.publish(HostSnapshot("a", Link.LIVE))
        board.publish(HostSnapshot("a", Link.LOST))
        assert (await waiting).link is Link.LIVE

    async def test_waiting_for_what_never_comes_ends(self) -> None:
        with pytest.raises(TimeoutError):
            await Board().until("a", lambda _: True, 0)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshServer]:
    with openssh_server(tmp_path_factory.mktemp("sshd")) as running:
        yield running


def connection(server: SshServer) -> HostConnection:
    return HostConnection("gpu01", "gpu01", server.ssh_config)


@openssh
async def test_a_real_host_is_live_and_its_frames_go_on(server: SshServer) -> None:
    async with watched(connection(server)) as board:
        first = await board.until("gpu01", is_(Link.LIVE), 20)
        assert first.reading is not None
        assert first.read_at is not None
        later = await board.until("gpu01", lambda seen: bool(seen.reading and seen.reading.sequence >= 3), 20)
        assert later.reading is not None
        assert later.reading.boot_id == BOOT_ID


@openssh
async def test_a_host_whose_files_show_no_gpu_is_asked_by_its_vendors_tool(tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    memory = {"total_vram": {"value": 196592, "unit": "MB"}, "used_vram": {"value": 20450, "unit": "MB"}}
    said = {
        "list": [{"gpu": 0, "bdf": "0000:0c:00.0", "hip_id": 0, "node_id": 2, "kfd_id": 28851}],
        "metric": [{"gpu": 0, "mem_usage": memory}],
    }
    for word, document in said.items():
        (tools / word).write_text(json.dumps(document))
    (tools / "amd-smi").write_text(f'#!/bin/sh\nexec cat "{tools}/$1"\n')
    (tools / "amd-smi").chmod(0o755)
    path = f"SetEnv PATH={tools}:/usr/bin:/bin PROBE_ROOT={tmp_path}/empty"
    (tmp_path / "empty" / "proc").mkdir(parents=True)
    (tmp_path / "empty" / "proc" / "uptime").write_text("5.00 1.00\n")
    with openssh_server(tmp_path / "sshd", path) as server:
        async with watched(connection(server)) as board:
            seen = await board.until("gpu01", lambda seen: bool(seen.reading and seen.reading.gpus), 20)
    assert seen.reading is not None
    assert [(gpu.identity.pci, gpu.used_bytes) for gpu in seen.reading.gpus] == [("0000:0c:00.0", 20450 << 20)]


async def test_a_host_that_was_never_there_is_unreachable_with_its_reason(tmp_path: Path) -> None:
    async with watched(HostConnection("gpu01", "gpu01", tmp_path / "absent")) as board:
        seen = await board.until("gpu01", is_(Link.UNREACHABLE), 20)
        assert "no ssh configuration" in seen.reason


@openssh
async def test_an_endpoint_is_asked_and_models_elsewhere_are_not(server: SshServer) -> None:
    asked: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        asked.append(request.split(b" ")[1])
        body = b"vllm:gpu_cache_usage_perc 0.25\n" if b"/metrics" in request else b""
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        await writer.drain()
        writer.close()

    listener = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    here = Model("here", Engine.parse("vllm 0.9.0"), place=Place("gpu01", (0,)), url=url)
    there = Model("there", Engine.parse("vllm 0.9.0"), place=Place("gpu02", (0,)), url=f"{url}/elsewhere")
    async with watched(connection(server), here, there) as board:
        seen = await board.until("gpu01", lambda snapshot: "here" in snapshot.engines, 20)
    listener.close()
    assert (seen.engines["here"].healthy, seen.engines["here"].kv_usage) == (True, 0.25)
    assert set(asked) == {b"/health", b"/metrics"}


async def test_watching_ends_when_it_is_told_to_in_the_moment_the_host_is_lost() -> None:
    asked = asyncio.Event()

    class Losing:
        """A connection that is lost once services were asked for; the watching is ended while it winds up."""

        remarks = ()

        @asynccontextmanager
        async def stream(self, script: str) -> AsyncIterator[AsyncIterator[str]]:
            yield self._lines()

        async def _lines(self) -> AsyncIterator[str]:
            await asked.wait()
            raise UnreachableError("The connection to gpu01 was lost.")
            yield ""

        async def read(self, command: Read) -> Answer:
            asked.set()
            try:
                await asyncio.Event().wait()
            finally:
                task.cancel()
            raise AssertionError("it waits for ever")

    model = Model("m", Engine.parse("whisper"), place=Place("gpu01", (0,)), service="systemd:m.service")
    watcher = HostWatcher(HOST, [model], cast(ProbeOnly, Losing()), lambda snapshot: None)
    task = asyncio.create_task(watcher.run())
    async with asyncio.timeout(60):
        await asyncio.wait([task])
    assert task.cancelled()


@openssh
async def test_watching_asking_following_and_changing_share_one_connection(server: SshServer, tmp_path: Path) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    listener = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    shared = connection(server)
    operator = Operator(shared)
    before = len(server.sessions())
    async with watched(shared, Model("m", Engine("other"), place=Place("gpu01", (0,)), url=url)) as board:
        await board.until("gpu01", lambda seen: seen.link is Link.LIVE and "m" in seen.engines, 20)
        async with operator.follow(Read(("sh", "-c", "echo begun; exec sleep 1000"))) as log:
            assert await anext(log) == "begun"
            written, got = await asyncio.gather(
                operator.write(Write(("touch", str(tmp_path / "written")))), operator.get(f"{url}/health")
            )
            assert (written.ok, got.status) == (True, 200)
            assert len(server.sessions()) == before + 1
    listener.close()
