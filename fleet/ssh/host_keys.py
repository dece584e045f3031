"""Whether a host is the one we know: known_hosts, always strict. Imported when a connection is opened."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import asyncssh
from asyncssh.public_key import get_default_certificate_algs, get_default_public_key_algs

from fleet.errors import UnreachableError
from fleet.text import clean

USER_FILES = ("~/.ssh/known_hosts", "~/.ssh/known_hosts2")
GLOBAL_FILES = ("/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2")
"""What OpenSSH reads where its configuration names no file."""


@dataclass(frozen=True, slots=True)
class KnownLine:
    """One line of a known_hosts file."""

    path: Path
    number: int
    marker: str
    """``@cert-authority``, ``@revoked``, or empty for a host's own key."""
    key: str
    """Its key as ``ssh-ed25519 SHA256:...``; empty where it cannot be read."""

    def __str__(self) -> str:
        return f"{self.path}:{self.number}"


@dataclass(frozen=True, slots=True)
class RefusedKey:
    """A host key, or the key of a certificate's authority, that known_hosts does not vouch for."""

    host: str
    """As known_hosts writes it: ``gpu01`` or ``[gpu01]:2222``."""
    key: str
    """``ssh-ed25519 SHA256:...``"""
    authority: bool
    """Whether it is the key that signed the certificate the host shows."""


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
        self.entries = _loaded(tuple((path, _version(path)) for path in self.files))

    def algorithms(self, host: str, address: str, port: int) -> tuple[str, ...]:
        """The kinds of host key to ask a host for: those it is known by, then all others.

        asyncssh asks for the known kinds alone, and a host that was installed anew with another kind of key would
        end the conversation instead of showing it.
        """
        keys, authorities, *_ = self.entries.match(host, address, None if port == 22 else port)
        known = [algorithm for key in keys for algorithm in key.sig_algorithms]
        certified, plain = get_default_certificate_algs(), get_default_public_key_algs()
        wanted = [*certified, *known, *plain] if authorities else [*known, *plain]
        return tuple(dict.fromkeys(algorithm.decode() for algorithm in wanted))

    def about(self, host: str, address: str, port: int) -> list[KnownLine]:
        """The lines that speak of a host, whatever they say of it."""
        return [line for path in self.files for line in _lines_about(path, host, address, port)]


class Client(asyncssh.SSHClient):
    """Our end of one connection: refuses the keys known_hosts does not vouch for, and remembers why."""

    def __init__(self, known_hosts: KnownHosts, when_lost: Callable[[], None]) -> None:
        """``when_lost`` is called when the connection has ended."""
        self.known_hosts = known_hosts
        self._when_lost = when_lost
        self.refused: RefusedKey | None = None
        self.lost = ""
        """Why the connection ended, in asyncssh's words; empty while it stands or when we closed it."""

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        """Asked by asyncssh only for keys that known_hosts does not hold."""
        self.refused = RefusedKey(place(host, port), described(key), authority=False)
        return False

    def validate_host_ca_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        """Asked by asyncssh only for certificate authorities that known_hosts does not hold."""
        self.refused = RefusedKey(place(host, port), described(key), authority=True)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Told by asyncssh when the connection ends."""
        self.lost = str(exc) if exc else ""
        self._when_lost()


def files_to_read(configured: object) -> tuple[str, ...]:
    """The known_hosts files to read, given what asyncssh understood of the configuration.

    None (``UserKnownHostsFile none``) switches checking off in asyncssh; here the usual files are read.
    """
    named = tuple(str(name) for name in configured) if isinstance(configured, list | tuple) else ()
    return (named or USER_FILES) + GLOBAL_FILES


def place(host: str, port: int) -> str:
    """A host as known_hosts writes it."""
    return host if port == 22 else f"[{host}]:{port}"


def described(key: asyncssh.SSHKey) -> str:
    """A key as people compare it: its kind and its fingerprint."""
    return f"{key.get_algorithm()} {key.get_fingerprint()}"


_Version = tuple[int, int]


def _version(path: Path) -> _Version:
    found = path.stat()
    return found.st_mtime_ns, found.st_size


@lru_cache(maxsize=8)  # a fleet's hosts share their files, which may be long
def _loaded(files: tuple[tuple[Path, _Version], ...]) -> asyncssh.SSHKnownHosts:
    entries = asyncssh.SSHKnownHosts()
    for path, _ in files:
        for number, text in enumerate(_texts(path), 1):
            try:
                entries.load(text)
            except ValueError as error:
                raise _unreadable(f"{path}:{number}", error) from error
    return entries


def _unreadable(where: str, error: Exception) -> UnreachableError:
    return UnreachableError(
        f"Host keys cannot be checked, because {where} cannot be read: {clean(str(error))}.",
        "Correct or remove it.",
    )


def _lines_about(path: Path, host: str, address: str, port: int) -> Iterator[KnownLine]:
    for number, text in enumerate(_texts(path), 1):
        if any(asyncssh.SSHKnownHosts(text).match(host, address, None if port == 22 else port)):
            words = text.split()
            marker = words.pop(0) if text.startswith("@") else ""
            try:
                key = described(asyncssh.import_public_key(" ".join(words[1:3])))
            except asyncssh.KeyImportError:
                key = ""
            yield KnownLine(path, number, marker, key)


def _texts(path: Path) -> list[str]:
    try:
        return [line.strip() for line in path.read_text("utf-8", "replace").split("\n")]
    except OSError as error:
        raise _unreadable(str(path), error) from error


def _listed(paths: Sequence[Path]) -> str:
    return ", ".join(str(path) for path in paths)
