"""What docs/jump-host.md tells to write does what it says, at a real OpenSSH server."""

from __future__ import annotations

import asyncio
import getpass
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from openssh import MISSING, SshServer, openssh_server
from terminal import Terminal

from fleet.errors import EndpointError
from fleet.ssh.connection import HostConnection
from fleet.ssh.probe_only import ProbeOnly
from fleet.telemetry.frames import script

pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING)

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "jump-host.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
PROGRAM, FLEET = "/opt/gpudeck/bin/gpudeck", "/etc/gpudeck/viewers.yaml"


def block(words: str) -> str:
    found: str = next(block for block in BLOCKS if words in block)
    return found


@pytest.fixture
def jump(tmp_path: Path) -> Iterator[SshServer]:
    """A jump host whose sshd is configured as the page says, this user being the viewer."""
    fleet = tmp_path / "fleet.yaml"
    fleet.write_text("fleet: f\nhosts: {gpu01: {address: nobody@127.0.0.1:1, accelerator: MI300X, gpus: 8}}\n")
    command = tmp_path / "gpudeck"
    own = f"XDG_STATE_HOME={tmp_path} XDG_CONFIG_HOME={tmp_path} PYTHONPATH={ROOT}"
    command.write_text(f'#!/bin/sh\n{own} exec {sys.executable} -m console.cli "$@"\n')
    command.chmod(0o755)
    text = block("ForceCommand")
    assert f"{PROGRAM} {FLEET} --read-only" in text
    text = text.replace("Match Group gpudeck-viewers", f"Match User {getpass.getuser()}")
    text = text.replace(PROGRAM, str(command)).replace(FLEET, str(fleet))
    with openssh_server(tmp_path / "sshd", "Subsystem sftp internal-sftp", *text.splitlines()) as server:
        yield server


def ssh(server: SshServer, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["ssh", "-F", server.ssh_config, *words], capture_output=True, text=True, timeout=60, check=False
    )


def test_on_a_terminal_a_viewer_gets_the_console_that_only_shows(jump: SshServer, tmp_path: Path) -> None:
    argv = ["ssh", "-F", str(jump.ssh_config), "-tt", "gpu01", f"touch {tmp_path / 'mark'}"]
    with Terminal(argv, columns=120, rows=36, environment={**os.environ, "TERM": "xterm-256color"}) as viewer:
        assert "read-only" in viewer.until("m move").splitlines()[0]
        viewer.press("q")
        assert viewer.wait() == 0
    assert not (tmp_path / "mark").exists()


def test_a_viewer_gets_gpudeck_whatever_they_ask_for(jump: SshServer, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    plain = ssh(jump, "gpu01").stdout
    assert "gpu01" in plain
    assert ssh(jump, "gpu01", f"touch {mark}").stdout == plain
    assert ssh(jump, "gpu01", f"; touch {mark}").stdout == plain
    assert ssh(jump, "-s", "gpu01", "sftp").stdout == plain
    assert not mark.exists()


def test_a_viewer_gets_through_to_no_other_port(jump: SshServer) -> None:
    done = ssh(jump, "-W", f"127.0.0.1:{jump.port}", "gpu01")
    assert "prohibited" in done.stderr
    assert done.stdout == ""


async def test_the_viewers_key_reads_gpus_and_its_models_ports_and_nothing_else(tmp_path: Path) -> None:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    options = block("permitopen").partition(" ssh-ed25519")[0]
    async with (
        await asyncio.start_server(answer, "127.0.0.1") as allowed,
        await asyncio.start_server(answer, "127.0.0.1") as other,
    ):
        ports = [listening.sockets[0].getsockname()[1] for listening in (allowed, other)]
        with openssh_server(tmp_path) as server:
            keys = tmp_path / "authorized_keys"
            keys.write_text(f"{options.replace('127.0.0.1:8001', f'127.0.0.1:{ports[0]}')} {keys.read_text()}")
            probe = ProbeOnly(HostConnection("gpu01", "gpu01", server.ssh_config))
            async with probe.stream(script()) as lines:
                assert (await anext(lines)).startswith("@host")
            assert (await probe.get(f"http://127.0.0.1:{ports[0]}/health")).status == 200
            with pytest.raises(EndpointError, match="forbids forwarding"):
                await probe.get(f"http://127.0.0.1:{ports[1]}/health")
            await probe.close()
            assert "PTY allocation request failed" in ssh(server, "-tt", "gpu01", "true").stderr
