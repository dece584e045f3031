"""Logging in as the ssh configuration says, and an honest sentence where that does not work."""

from __future__ import annotations

import asyncio
import getpass
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from openssh import MISSING, SshServer, certify, client_config, new_key, openssh_server, refusal

from fleet.commands import Read
from fleet.ssh.connection import HostConnection
from fleet.ssh.jumps import Jumps
from fleet.ssh.probe_only import ProbeOnly

pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshServer]:
    with openssh_server(tmp_path_factory.mktemp("sshd")) as running:
        yield running


async def echo(ssh_config: Path, address: str = "gpu01") -> str:
    probe = ProbeOnly(HostConnection("gpu01", address, ssh_config))
    answer = await probe.read(Read(("echo", "hello")))
    await probe.close()
    return answer.stdout.strip()


@contextmanager
def agent(folder: Path) -> Iterator[str]:
    """An ssh-agent of the test's own; its socket."""
    path = folder / "agent"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        yield str(path)
    finally:
        process.terminate()
        process.communicate()


def until_gone(pid: int) -> None:
    """Wait until a process has ended."""
    while subprocess.run(["kill", "-0", str(pid)], check=False, stderr=subprocess.DEVNULL).returncode == 0:
        pass


def add_to_agent(agent: str, key: Path, passphrase: str) -> None:
    helper = key.with_name("askpass")
    helper.write_text(f"#!/bin/sh\necho {passphrase}\n")
    helper.chmod(0o700)
    environment = os.environ | {"SSH_AUTH_SOCK": agent, "SSH_ASKPASS": str(helper), "SSH_ASKPASS_REQUIRE": "force"}
    subprocess.run(["ssh-add", "-q", key], env=environment, stdin=subprocess.DEVNULL, check=True, capture_output=True)


async def test_a_user_the_host_does_not_know_is_named(server: SshServer, tmp_path: Path) -> None:
    said = await refusal(client_config(server, tmp_path, User="nobody-here"))
    assert "refused the user nobody-here" in said


async def test_a_key_the_host_does_not_know_is_no_way_in(server: SshServer, tmp_path: Path) -> None:
    new_key(tmp_path / "stranger")
    said = await refusal(client_config(server, tmp_path, IdentityFile=str(tmp_path / "stranger")))
    assert "takes none of our keys" in said


async def test_nothing_listening_a_name_nobody_knows_and_a_bad_address_are_told_apart(
    server: SshServer, tmp_path: Path
) -> None:
    assert "nothing listens there" in await refusal(client_config(server, tmp_path, Port="1"))
    assert "nowhere.invalid" in await refusal(client_config(server, tmp_path, HostName="nowhere.invalid"))
    assert "is not an address" in await refusal(server.ssh_config, "-oX=y")
    assert "no ssh configuration" in await refusal(tmp_path / "absent")


async def test_user_and_port_of_the_address_win_over_the_configuration(server: SshServer, tmp_path: Path) -> None:
    path = client_config(server, tmp_path, Port="1", User="nobody-here")
    assert await echo(path, f"{getpass.getuser()}@gpu01:{server.port}") == "hello"


async def test_a_server_that_accepts_and_says_nothing_is_given_up(server: SshServer, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = str(mute.getsockname()[1])
        said = await refusal(client_config(server, tmp_path, Port=port, ConnectTimeout="1"))
    assert "did not answer within 1 s" in said


async def test_a_frozen_server_is_given_up_and_reached_once_it_thaws(tmp_path: Path) -> None:
    with openssh_server(tmp_path / "sshd") as frozen:
        path = client_config(frozen, tmp_path, ConnectTimeout="1")
        frozen.process.send_signal(signal.SIGSTOP)
        assert "did not answer within 1 s" in await refusal(path)
        frozen.process.send_signal(signal.SIGCONT)
        assert await echo(path) == "hello"


async def test_a_server_that_turns_logins_away_says_what_to_look_at(tmp_path: Path) -> None:
    with openssh_server(tmp_path / "sshd", "MaxStartups 1:100:1") as busy:
        with socket.create_connection(("127.0.0.1", busy.port)) as other:
            assert other.recv(4) == b"SSH-"
            assert "MaxStartups" in await refusal(busy.ssh_config)
        assert busy.process.poll() is None


async def test_include_and_match_are_read_as_ssh_reads_them(server: SshServer, tmp_path: Path) -> None:
    (tmp_path / "included").write_text(server.ssh_config.read_text().replace("Host gpu01", "Match host alias.invalid"))
    main = tmp_path / "main"
    main.write_text(f"Include {tmp_path}/inc*\nHost elsewhere\n  Include {tmp_path}/absent\n  Port 1\n")
    assert await echo(main, "alias.invalid") == "hello"


async def test_a_configuration_that_takes_its_time_holds_up_nobody_else(server: SshServer, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    path = client_config(server, tmp_path)
    path.write_text(f'Match originalhost gpu01 exec "cat {gate}"\n{path.read_text()}')
    connecting = asyncio.create_task(echo(path))
    # were it read by the thread of this loop, nobody would be left to open the gate
    await asyncio.to_thread(gate.write_text, "open")
    assert await connecting == "hello"


async def test_match_final_is_read_in_a_second_pass(server: SshServer, tmp_path: Path) -> None:
    path = tmp_path / "final"
    path.write_text(server.ssh_config.read_text().replace("Host gpu01", "Match final host gpu01"))
    assert await echo(path) == "hello"


async def test_a_line_that_makes_no_sense_is_named(server: SshServer, tmp_path: Path) -> None:
    path = client_config(server, tmp_path, Port="many")
    assert f"{path} line 3" in await refusal(path)


async def test_what_is_not_obeyed_is_told_with_its_line_and_only_where_it_applies(
    server: SshServer, tmp_path: Path
) -> None:
    path = client_config(server, tmp_path, ControlMaster="auto", Ciphers="aes256-ctr", HashKnownHosts="yes")
    path.write_text(f"{path.read_text()}Host gpu99\n  VisualHostKey yes\nHost *\n  LogLevel=DEBUG\n")
    connection = HostConnection("gpu01", "gpu01", path)
    assert not connection.remarks
    await connection.opened()
    await connection.close()
    first, second = connection.remarks
    assert first.startswith(f"{path}:8: ControlMaster auto is not obeyed")
    assert second.startswith(f"{path}:14: LogLevel DEBUG is not obeyed")


async def test_unknown_words_that_ssh_too_is_told_to_ignore_are_not_told(server: SshServer, tmp_path: Path) -> None:
    path = client_config(server, tmp_path, IgnoreUnknown="UseKeychain,Foo*", UseKeychain="yes", FooBar="1")
    connection = HostConnection("gpu01", "gpu01", path)
    await connection.opened()
    await connection.close()
    assert connection.remarks == ()


class TestKeys:
    async def test_a_key_with_a_passphrase_is_used_through_the_agent(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with openssh_server(tmp_path / "sshd") as server, agent(tmp_path) as socket_path:
            (server.folder / "authorized_keys").write_text(new_key(tmp_path / "locked", "secret") + "\n")
            path = client_config(server, tmp_path, IdentityFile=str(tmp_path / "locked"))
            monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
            assert "a key with a passphrase must be in the agent" in await refusal(path)
            monkeypatch.setenv("SSH_AUTH_SOCK", socket_path)
            add_to_agent(socket_path, tmp_path / "locked", "secret")
            assert await echo(path) == "hello"

    async def test_only_the_named_keys_of_a_full_agent_are_shown_to_the_host(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with openssh_server(tmp_path / "sshd", "MaxAuthTries 2") as server, agent(tmp_path) as socket_path:
            for number in range(4):
                new_key(tmp_path / f"other{number}", "secret")
                add_to_agent(socket_path, tmp_path / f"other{number}", "secret")
            (server.folder / "authorized_keys").write_text(new_key(tmp_path / "locked", "secret") + "\n")
            add_to_agent(socket_path, tmp_path / "locked", "secret")
            monkeypatch.setenv("SSH_AUTH_SOCK", socket_path)
            assert await echo(client_config(server, tmp_path, IdentityFile=str(tmp_path / "locked"))) == "hello"

    async def test_an_agent_named_by_the_configuration_is_asked(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
        with openssh_server(tmp_path / "sshd") as server, agent(tmp_path) as socket_path:
            (server.folder / "authorized_keys").write_text(new_key(tmp_path / "locked", "secret") + "\n")
            add_to_agent(socket_path, tmp_path / "locked", "secret")
            named = {"IdentityFile": str(tmp_path / "locked"), "IdentityAgent": socket_path}
            assert await echo(client_config(server, tmp_path, **named)) == "hello"

    @pytest.mark.parametrize("named", [True, False])
    async def test_a_certificate_of_an_authority_the_host_trusts_is_a_way_in(self, tmp_path: Path, named: bool) -> None:
        new_key(tmp_path / "ca")
        with openssh_server(tmp_path / "sshd", f"TrustedUserCAKeys {tmp_path}/ca.pub") as server:
            (server.folder / "authorized_keys").write_text("")
            new_key(tmp_path / "certified")
            path = client_config(server, tmp_path, IdentityFile=str(tmp_path / "certified"))
            assert "takes none of our keys" in await refusal(path)
            certificate = certify(tmp_path / "ca", tmp_path / "certified", "-n", getpass.getuser())
            if named:
                elsewhere = certificate.rename(tmp_path / "elsewhere.pub")
                path = client_config(
                    server, tmp_path, IdentityFile=str(tmp_path / "certified"), CertificateFile=str(elsewhere)
                )
            assert await echo(path) == "hello"


class TestOnTheWay:
    @pytest.fixture
    def jump(self, tmp_path: Path) -> Iterator[SshServer]:
        with openssh_server(tmp_path / "jump") as running:
            yield running

    def through(self, server: SshServer, jump: SshServer, folder: Path, **changes: str) -> Path:
        """The configuration of both, the one reached through the other."""
        path = client_config(server, folder, ProxyJump="jump", **changes)
        path.write_text(path.read_text() + jump.ssh_config.read_text().replace("Host gpu01", "Host jump"))
        return path

    async def test_a_host_is_reached_through_its_jump_host(
        self, server: SshServer, jump: SshServer, tmp_path: Path
    ) -> None:
        before = len(jump.sessions())
        connection = HostConnection("gpu01", "gpu01", self.through(server, jump, tmp_path))
        assert (await ProbeOnly(connection).read(Read(("echo", "hello")))).stdout == "hello\n"
        assert len(jump.sessions()) == before + 1
        await connection.close()

    async def test_a_jump_host_is_checked_as_strictly_and_named(
        self, server: SshServer, jump: SshServer, tmp_path: Path
    ) -> None:
        path = self.through(server, jump, tmp_path)
        jump.known_hosts.write_text(f"[127.0.0.1]:{jump.port} {new_key(tmp_path / 'other')}\n")
        said = await refusal(path)
        assert said.startswith("jump host jump")
        assert f"{jump.known_hosts}:1" in said

    async def test_a_host_the_jump_host_cannot_reach_says_so(
        self, server: SshServer, jump: SshServer, tmp_path: Path
    ) -> None:
        assert "cannot be reached from its jump host" in await refusal(self.through(server, jump, tmp_path, Port="1"))

    async def test_a_lost_jump_host_loses_the_host_and_is_opened_again(
        self, server: SshServer, jump: SshServer, tmp_path: Path
    ) -> None:
        probe = ProbeOnly(HostConnection("gpu01", "gpu01", self.through(server, jump, tmp_path)))
        async with probe.stream("echo ready; read -r x\n") as lines:
            assert await anext(lines) == "ready"
            for pid in jump.sessions():
                os.kill(pid, signal.SIGKILL)
            with pytest.raises(Exception, match="was lost"):
                await anext(lines)
        assert (await probe.read(Read(("echo", "hello")))).stdout == "hello\n"
        await probe.close()

    async def test_many_hosts_log_in_once_at_the_jump_host_they_share(self, server: SshServer, tmp_path: Path) -> None:
        with openssh_server(tmp_path / "jump", "MaxStartups 1:100:1") as narrow:
            path, jumps = self.through(server, narrow, tmp_path), Jumps()
            probes = [ProbeOnly(HostConnection(f"gpu{n:02}", "gpu01", path, jumps)) for n in range(6)]
            answers = await asyncio.gather(*(probe.read(Read(("echo", "hello"))) for probe in probes))
            assert [answer.stdout for answer in answers] == ["hello\n"] * 6
            (login,) = narrow.sessions()
            for probe in probes[1:]:
                await probe.close()
            assert (await probes[0].read(Read(("echo", "still")))).stdout == "still\n"
            await probes[0].close()
            await asyncio.to_thread(until_gone, login)

    async def test_jump_hosts_that_go_round_in_a_circle_are_told(self, server: SshServer, tmp_path: Path) -> None:
        path = client_config(server, tmp_path, ProxyJump="one")
        path.write_text(
            f"{path.read_text()}Host one\n  ProxyJump two\nHost two\n  ProxyJump one\n"
            f"Host *\n  UserKnownHostsFile {server.known_hosts}\n"
        )
        assert "go round in a circle at one" in await refusal(path)

    async def test_a_proxy_command_is_run(self, server: SshServer, tmp_path: Path) -> None:
        relay = tmp_path / "relay.py"
        relay.write_text(
            "import os, socket, sys, threading\n"
            "far = socket.create_connection((sys.argv[1], int(sys.argv[2])))\n"
            "def back():\n"
            "    while data := far.recv(65536):\n"
            "        os.write(1, data)\n"
            "    os._exit(0)\n"
            "threading.Thread(target=back).start()\n"
            "while data := os.read(0, 65536):\n"
            "    far.sendall(data)\n"
            "os._exit(0)\n"
        )
        path = client_config(server, tmp_path, ProxyCommand=f"{sys.executable} {relay} %h %p")
        assert await echo(path) == "hello"
