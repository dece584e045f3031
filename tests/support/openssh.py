"""A real OpenSSH server on loopback, run by the test's own user, and the client's files for it."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fleet.commands import Read
from fleet.errors import UnreachableError
from fleet.ssh.connection import HostConnection
from fleet.ssh.probe_only import ProbeOnly

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
MISSING = "" if SSHD and shutil.which("ssh-keygen") else "there is no OpenSSH server on this machine"


class SshServer:
    """Where it listens and what a client needs; ``host`` is what its ssh configuration calls it."""

    host = "gpu01"

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port
        self.process = self._started()

    @property
    def ssh_config(self) -> Path:
        return self.folder / "ssh_config"

    @property
    def known_hosts(self) -> Path:
        return self.folder / "known_hosts"

    def sessions(self) -> list[int]:
        """Processes of sshd that serve clients."""
        listed = subprocess.run(["pgrep", "-P", str(self.process.pid)], capture_output=True, text=True, check=False)
        return [int(pid) for pid in listed.stdout.split()]

    def signal_sessions(self, number: signal.Signals) -> None:
        """Send a signal to every process of sshd that serves a client, not to what runs there."""
        for pid in self.sessions():
            os.kill(pid, number)

    def kill(self) -> None:
        """End it as a power cut would: no session says goodbye."""
        for pid in self.sessions():
            subprocess.run(["pkill", "-KILL", "-P", str(pid)], check=False)
            subprocess.run(["kill", "-KILL", str(pid)], check=False, stderr=subprocess.DEVNULL)
        self.process.kill()
        self.process.wait()
        if self.process.stderr is not None:
            self.process.stderr.close()

    def start_again(self) -> None:
        """Listen where it listened before it was killed."""
        self.process = self._started()

    def _started(self) -> subprocess.Popen[bytes]:
        assert SSHD
        process = subprocess.Popen(
            [SSHD, "-D", "-e", "-f", self.folder / "sshd_config"], stderr=subprocess.PIPE, start_new_session=True
        )
        assert process.stderr is not None
        while b"listening" not in (line := process.stderr.readline()):
            assert line, "sshd ended before it listened"
        return process


def new_key(path: Path, passphrase: str = "", kind: str = "ed25519") -> str:
    """Make a key; its public line without the comment."""
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-f", path], check=True)
    return " ".join(path.with_suffix(".pub").read_text().split()[:2])


def certify(authority: Path, key: Path, *options: str) -> Path:
    """Sign the public half of a key; ``options`` as ssh-keygen takes them. The certificate's path."""
    subprocess.run(["ssh-keygen", "-q", "-s", authority, "-I", "test", *options, f"{key}.pub"], check=True)
    return key.with_name(f"{key.name}-cert.pub")


def client_config(server: SshServer, folder: Path, **changes: str) -> Path:
    """The client's configuration, in a file of its own, with some of its keywords given another value or added."""
    lines = []
    for line in server.ssh_config.read_text().splitlines():
        keyword = line.split()[0]
        lines.append(f"  {keyword} {changes.pop(keyword)}" if keyword in changes else line)
    lines += [f"  {keyword} {value}" for keyword, value in changes.items()]
    path = folder / "ssh_config"
    path.write_text("\n".join(lines) + "\n")
    return path


async def refusal(ssh_config: Path, address: str = "gpu01") -> str:
    """What is said of a host that cannot be reached that way."""
    probe = ProbeOnly(HostConnection("gpu01", address, ssh_config))
    with pytest.raises(UnreachableError) as raised:
        await probe.read(Read(("true",)))
    await probe.close()
    return str(raised.value)


@contextmanager
def openssh_server(folder: Path, *options: str) -> Iterator[SshServer]:
    """Serve until the end of the block; ``options`` are lines of its configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    host_key, client_key = new_key(folder / "host_key"), new_key(folder / "key")
    (folder / "authorized_keys").write_text(client_key + "\n")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (folder / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host_key\nPidFile none\n"
        f"AuthorizedKeysFile {folder}/authorized_keys\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n"
        "KbdInteractiveAuthentication no\nUseDNS no\n" + "".join(f"{line}\n" for line in options)
    )
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {host_key}\n")
    (folder / "ssh_config").write_text(
        f"Host gpu01\n  HostName 127.0.0.1\n  Port {port}\n  User {getpass.getuser()}\n"
        f"  IdentityFile {folder}/key\n  IdentitiesOnly yes\n  UserKnownHostsFile {folder}/known_hosts\n"
    )
    server = SshServer(folder, port)
    try:
        yield server
    finally:
        server.kill()
