"""Sessions over one connection: no more than sshd allows, none left behind, and profiles that print or dawdle."""

from __future__ import annotations

import asyncio
import os
import pwd
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from openssh import MISSING, SshServer, openssh_server

from fleet.commands import Read, Write
from fleet.errors import UnreachableError
from fleet.ssh.connection import HostConnection
from fleet.ssh.operator import Operator

if TYPE_CHECKING:
    from asyncssh import SSHClientProcess

pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING)

SHELL = pwd.getpwuid(os.getuid()).pw_shell
bash = pytest.mark.skipif(not SHELL.endswith("/bash"), reason="the login shell reads no profile for a single command")


class SlowToSpeak(HostConnection):
    """A connection whose sessions are over by the time anybody writes to them."""

    @asynccontextmanager
    async def session(
        self, command: str, *, lasting: bool = False, **options: Any
    ) -> AsyncIterator[SSHClientProcess[bytes]]:
        async with super().session(command, lasting=lasting, **options) as process:
            await process.wait_closed()
            yield process


@asynccontextmanager
async def operating(server: SshServer, kind: type[HostConnection] = HostConnection) -> AsyncIterator[Operator]:
    operator = Operator(kind("gpu01", "gpu01", server.ssh_config))
    try:
        yield operator
    finally:
        await operator.close()


def sleep(mark: str) -> Read:
    """A command that hangs, and can be told from any other."""
    return Read(("sh", "-c", f": {mark}; sleep 1000; :"))


async def until_false(*words: str) -> None:
    """Wait until a command fails."""
    quiet = subprocess.DEVNULL
    while await (await asyncio.create_subprocess_exec(*words, stdout=quiet, stderr=quiet)).wait() == 0:
        pass


async def none_left(mark: str) -> None:
    """Wait until no process of that mark runs."""
    await until_false("pgrep", "-f", mark)


async def ended(pid: int) -> None:
    """Wait until that process is gone."""
    await until_false("kill", "-0", str(pid))


class TestAHostThatAllowsFewSessions:
    @pytest.fixture
    def server(self, tmp_path: Path) -> Iterator[SshServer]:
        with openssh_server(tmp_path, "MaxSessions 2") as running:
            yield running

    async def test_many_questions_at_once_are_all_answered(self, server: SshServer) -> None:
        async with operating(server) as operator:
            answers = await asyncio.gather(*(operator.read(Read(("echo", str(n)))) for n in range(12)))
        assert [answer.stdout for answer in answers] == [f"{n}\n" for n in range(12)]

    async def test_a_question_waits_beside_a_stream_and_the_stream_beside_a_question(self, server: SshServer) -> None:
        async with operating(server) as operator:
            asked = [asyncio.create_task(operator.read(Read(("echo", str(n))))) for n in range(6)]
            async with operator.stream("echo ready; read -r x\n") as lines:
                assert await anext(lines) == "ready"
                assert [(await task).stdout for task in asked] == [f"{n}\n" for n in range(6)]

    async def test_streams_that_take_them_all_leave_none_for_a_question_and_that_is_said(
        self, server: SshServer
    ) -> None:
        async with operating(server) as operator:
            async with operator.stream("read -r x\n"), operator.stream("read -r x\n"):
                with pytest.raises(UnreachableError, match="MaxSessions"):
                    await operator.read(Read(("true",)))
            assert (await operator.read(Read(("true",)))).ok

    async def test_endpoints_are_asked_all_the_same(self, server: SshServer) -> None:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
            writer.close()

        listener = await asyncio.start_server(answer, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        async with operating(server) as operator, operator.stream("read -r x\n"), operator.stream("read -r x\n"):
            answers = await asyncio.gather(*(operator.get(url) for _ in range(12)))
        listener.close()
        assert [answer.status for answer in answers] == [200] * 12


class TestNothingIsLeftBehind:
    @pytest.fixture
    def server(self, tmp_path: Path) -> Iterator[SshServer]:
        with openssh_server(tmp_path) as running:
            yield running

    async def test_a_question_that_hangs_is_ended_on_the_host(self, server: SshServer) -> None:
        async with operating(server) as operator:
            with pytest.raises(UnreachableError, match="did not finish"):
                await operator.read(sleep("hanging-question"), timeout=0.3)
            await none_left("hanging-question")

    async def test_what_is_followed_ends_when_nobody_listens(self, server: SshServer) -> None:
        async with operating(server) as operator:
            async with operator.follow(Read(("sh", "-c", ": followed-log; echo ready; sleep 1000; :"))) as lines:
                assert await anext(lines) == "ready"
            await none_left("followed-log")

    @pytest.mark.parametrize("whom", ["console", "session"])
    async def test_the_probe_ends_with_its_console_and_with_its_connection(self, server: SshServer, whom: str) -> None:
        console = await asyncio.create_subprocess_exec(
            sys.executable, "-c", _WATCHING, str(server.ssh_config), stdout=subprocess.PIPE
        )
        assert console.stdout is not None
        shell = int(await console.stdout.readline())
        try:
            if whom == "console":
                console.kill()
            else:
                for pid in server.sessions():
                    os.kill(pid, signal.SIGKILL)
            await ended(shell)
        finally:
            if console.returncode is None:
                console.kill()
            await console.wait()


_WATCHING = """
import asyncio, sys
from pathlib import Path
from fleet.ssh.connection import HostConnection
from fleet.ssh.probe_only import ProbeOnly
from fleet.telemetry.frames import script

async def main():
    probe = ProbeOnly(HostConnection("gpu01", "gpu01", Path(sys.argv[1])))
    async with probe.stream("echo $$\\n" + script()) as lines:
        print(await anext(lines), flush=True)
        async for line in lines:
            if line.startswith("@end"):
                lines.send()

asyncio.run(main())
"""


@bash
class TestProfiles:
    @pytest.fixture
    def home(self, tmp_path: Path) -> Path:
        (tmp_path / "home").mkdir()
        return tmp_path / "home"

    @pytest.fixture
    def server(self, tmp_path: Path, home: Path) -> Iterator[SshServer]:
        with openssh_server(tmp_path / "sshd", f"SetEnv HOME={home}") as running:
            yield running

    async def test_what_a_profile_prints_is_no_part_of_an_answer(self, server: SshServer, home: Path) -> None:
        (home / ".bashrc").write_text("echo welcome; printf 'no newline'; echo oops >&2\n")
        async with operating(server) as operator:
            assert (await operator.read(Read(("echo", "hello")))).stdout == "hello\n"
            async with operator.stream("echo ready; read -r x\n") as lines:
                assert await anext(lines) == "ready"

    async def test_a_slow_profile_is_waited_for(self, server: SshServer, home: Path) -> None:
        (home / ".bashrc").write_text("sleep 0.3\n")
        async with operating(server) as operator:
            assert (await operator.read(Read(("echo", "hello")))).stdout == "hello\n"

    async def test_a_profile_that_never_ends_printing_is_given_up(self, server: SshServer, home: Path) -> None:
        (home / ".bashrc").write_text("exec yes\n")
        async with operating(server) as operator:
            with pytest.raises(UnreachableError, match="prints without end"):
                async with operator.stream("echo ready\n") as lines:
                    await anext(lines)

    async def test_a_profile_that_ends_the_shell_is_quoted(self, server: SshServer, home: Path) -> None:
        (home / ".bashrc").write_text("echo 'This account is \x1b[31mclosed.'; exit 0\n")
        async with operating(server) as operator:
            with pytest.raises(UnreachableError, match=r"ended before it ran anything: This account is closed\."):
                await operator.read(Read(("true",)))
            with pytest.raises(UnreachableError, match=r"This account is closed\."):
                async with operator.stream("echo ready\n") as lines:
                    await anext(lines)

    async def test_a_shell_that_ended_before_it_was_given_anything_is_quoted_all_the_same(
        self, server: SshServer, home: Path
    ) -> None:
        (home / ".bashrc").write_text("echo 'This account is closed.'; exit 0\n")
        async with operating(server, SlowToSpeak) as operator:
            with pytest.raises(UnreachableError, match=r"ended before it ran anything: This account is closed\."):
                await operator.write(Write(("tee", "/dev/null"), stdin=b"words"))
            with pytest.raises(UnreachableError, match=r"ended before it ran anything: This account is closed\."):
                async with operator.stream("echo ready\n") as lines:
                    await anext(lines)


class TestAScriptThatEnded:
    @pytest.fixture
    def server(self, tmp_path: Path) -> Iterator[SshServer]:
        with openssh_server(tmp_path) as running:
            yield running

    async def test_one_that_reads_no_more_is_no_lost_connection(self, server: SshServer) -> None:
        async with operating(server) as operator, operator.stream("echo one; echo two; exit 3\n") as lines:
            assert [line async for line in lines] == ["one", "two"]
            lines.send("nobody reads this")
            assert lines.exit_status == 3
