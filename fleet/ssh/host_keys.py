"""Whether a host is the one we know: known_hosts, always strict. Imported when a connection is opened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import asyncssh

from fleet.errors import UnreachableError

USER_FILES = ("~/.ssh/known_hosts", "~/.ssh/known_hosts2")
GLOBAL_FILES = ("/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2")
"""What OpenSSH reads where its configuration names no file."""


@dataclass(frozen=True, slots=True)
class RefusedKey:
    """A host key that known_hosts does not vouch for."""

    host: str
    """As known_hosts writes it: ``gpu01`` or ``[gpu01]:2222``."""
    algorithm: str
    fingerprint: str
    changed: bool
    """Whether another key is known for this host; else none is."""


class KnownHosts:
    """The known_hosts files of one connection."""

    def __init__(self, files: Sequence[str]) -> None:
        """Read the files that exist. Raises UnreachableError where none does, or where one cannot be read."""
        wanted = [Path(name).expanduser() for name in files]
        self.files = tuple(path for path in wanted if path.is_file())
        if not self.files:
            raise UnreachableError(
                f"There is no known_hosts file to check host keys against: looked for {_listed(wanted)}.",
                "Log in once with ssh, which writes it, or name one with UserKnownHostsFile.",
            )
        self.entries = asyncssh.SSHKnownHosts()
        for path in self.files:
            try:
                self.entries.load(path.read_text("utf-8", "replace"))
            except (OSError, ValueError) as error:
                raise UnreachableError(
                    f"Host keys cannot be checked, because {path} cannot be read: {error}.",
                    "Correct or remove that line.",
                ) from error

    def judge(self, host: str, address: str, port: int, key: asyncssh.SSHKey) -> RefusedKey:
        """What to say of a key that none of the entries accepts."""
        keys, authorities, *_ = self.entries.match(host, address, None if port == 22 else port)
        return RefusedKey(
            host if port == 22 else f"[{host}]:{port}",
            key.get_algorithm(),
            key.get_fingerprint(),
            changed=bool(keys or authorities),
        )


class Client(asyncssh.SSHClient):
    """Our end of one connection: refuses the keys known_hosts does not vouch for, and remembers why."""

    def __init__(self, known_hosts: KnownHosts) -> None:
        self.known_hosts = known_hosts
        self.refused: RefusedKey | None = None
        self.lost = ""
        """Why the connection ended, in asyncssh's words; empty while it stands or when we closed it."""

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        """Asked by asyncssh only for keys that known_hosts does not hold."""
        self.refused = self.known_hosts.judge(host, addr, port, key)
        return False

    def validate_host_ca_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        """Asked by asyncssh only for certificate authorities that known_hosts does not hold."""
        self.refused = self.known_hosts.judge(host, addr, port, key)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Told by asyncssh when the connection ends."""
        self.lost = str(exc) if exc else ""


def files_to_read(configured: object) -> tuple[str, ...]:
    """The known_hosts files to read, given what asyncssh understood of the configuration.

    None (``UserKnownHostsFile none``) switches checking off in asyncssh; here the usual files are read.
    """
    named = tuple(str(name) for name in configured) if isinstance(configured, list | tuple) else ()
    return (named or USER_FILES) + GLOBAL_FILES


def _listed(paths: Sequence[Path]) -> str:
    return ", ".join(str(path) for path in paths)
