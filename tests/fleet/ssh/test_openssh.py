"""Connections to a real OpenSSH server: what comes back, and an honest sentence for all that can go wrong."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from openssh import MISSING, SshServer, openssh_server

from fleet.commands import Read, Write
from fleet.errors import EndpointError, UnreachableError
from fleet.ssh.connection import HostConnection
from fleet.ssh.operator import Operator
from fleet.ssh.probe_only import ProbeOnly

pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshServer]:
    with openssh_server(tmp_path_factory.mktemp("sshd")) as running:
        yield running


@pytest.fixture
async def operator(server: SshServer) -> AsyncIterator[Operator]:
    operator = Operator(HostConnection("gpu01", "gpu01", server.ssh_config))
    yield operator
    await operator.close()


async def test_a_command_gives_its_output_and_its_status(operator: Operator) -> None:
    answer = await operator.read(Read(("sh", "-c", "echo out; echo err >&2; exit 3")))
    assert (answer.stdout, answer.stderr, answer.exit_status) == ("out\n", "err\n", 3)


async def test_what_is_written_to_standard_input_arrives(operator: Operator, tmp_path: Path) -> None:
    target = tmp_path / "with a blank"
    assert (await operator.write(Write(("tee", str(target)), b"$(x) 'quoted'\n"))).ok
    assert target.read_text() == "$(x) 'quoted'\n"


async def test_looking_is_all_that_a_probe_can_do(server: SshServer) -> None:
    probe = ProbeOnly(HostConnection("gpu01", "gpu01", server.ssh_config))
    with pytest.raises(TypeError, match="does not run Write"):
        await probe.read(Write(("true",)))  # type: ignore[arg-type]
    assert not hasattr(probe, "write")


async def test_one_connection_serves_all_who_ask_at_once(server: SshServer, operator: Operator) -> None:
    before = len(server.sessions())
    answers = await asyncio.gather(*(operator.read(Read(("echo", str(n)))) for n in range(8)))
    assert [answer.stdout for answer in answers] == [f"{n}\n" for n in range(8)]
    assert len(server.sessions()) == before + 1


async def test_a_connection_lost_in_the_middle_never_looks_like_success(server: SshServer, operator: Operator) -> None:
    async with operator.follow(Read(("sh", "-c", "echo ready; exec sleep 1000"))) as lines:
        assert await anext(lines) == "ready"
        running = asyncio.create_task(operator.read(Read(("sleep", "1000")), timeout=30))
        for pid in server.sessions():
            os.kill(pid, signal.SIGKILL)
        with pytest.raises(UnreachableError, match="was lost"):
            await running
        with pytest.raises(UnreachableError, match="was lost"):
            await anext(lines)
    assert (await operator.read(Read(("echo", "back")))).stdout == "back\n"


async def test_a_command_that_takes_too_long_is_unknown(operator: Operator) -> None:
    with pytest.raises(UnreachableError, match="did not finish"):
        await operator.read(Read(("sleep", "1000")), timeout=0.2)


async def test_a_stream_ends_with_its_listener(operator: Operator) -> None:
    script = "echo $$; while read -r x; do echo again; done; echo over"
    async with operator.stream(script + "\n") as lines:
        pid = int(await anext(lines))
        lines.send()
        assert await anext(lines) == "again"
    gone = await operator.read(Read(("sh", "-c", f"while kill -0 {pid} 2>/dev/null; do :; done; echo gone")))
    assert gone.stdout == "gone\n"


async def test_an_endpoint_behind_the_host_is_asked_without_an_open_port(operator: Operator) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy")
        await writer.drain()
        writer.close()

    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"this is no HTTP\r\n\r\n")
        await writer.drain()
        writer.close()

    for handler, check in ((answer, None), (babble, "does not speak HTTP")):
        listener = await asyncio.start_server(handler, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        if check is None:
            got = await operator.get(f"{url}/health")
            assert (got.status, got.body) == (503, b"busy")
        else:
            with pytest.raises(EndpointError, match=check):
                await operator.get(url)
        listener.close()
    with pytest.raises(EndpointError, match="Nothing listens"):
        await operator.get(url)


@pytest.mark.parametrize("url", ["https://127.0.0.1:1", "ftp://x", "http://", "http://x:99999"])
async def test_a_url_that_cannot_be_asked_says_so(operator: Operator, url: str) -> None:
    with pytest.raises(EndpointError, match="not a URL"):
        await operator.get(url)
